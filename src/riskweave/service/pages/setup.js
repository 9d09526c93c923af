"use strict";

const form = document.getElementById("form");
const message = document.getElementById("message");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = form.elements.namedItem("name").value;
  const body = { token: location.hash.slice(1), password: form.elements.namedItem("password").value };
  if (name) body.name = name;
  const answer = await fetch("/api/risk/invitation", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (answer.ok) {
    history.replaceState(null, "", "/setup");
    form.remove();
    message.textContent = `Signed in as ${told.name} (${told.role}).`;
  } else {
    message.textContent = told.message;
  }
});
