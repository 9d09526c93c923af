"""What can happen: event types, fields, money, time, decoding and validation."""
