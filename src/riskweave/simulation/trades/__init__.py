"""What happens in each trade: its event types, its legitimate life, its lookalikes and its attacks."""
