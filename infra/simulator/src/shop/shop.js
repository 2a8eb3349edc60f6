"use strict";

// All text from outside goes through textContent; nothing is ever written as HTML.
const part = (id) => document.getElementById(id);
const POLL_MS = 700;
const RESTING = new Set(["succeeded", "canceled", "requires_capture", "local_rejected"]);

const MEANINGS = {
  local_created: ["wait", "Your order is safe", "The payment is written down and on its way to Stripe."],
  requires_confirmation: ["wait", "Asking your bank", "The payment is about to be confirmed."],
  requires_action: ["wait", "Your bank wants to know that it is you", "Confirm the payment on your bank's page."],
  processing: ["wait", "Your bank is working on it", "This can take a moment."],
  requires_capture: ["good", "Your money is held", "It will be taken when the mug leaves our shelf."],
  succeeded: ["good", "Thank you, the mug is yours", "The payment succeeded."],
  requires_payment_method: ["bad", "Your card was not accepted", "No money was taken. Try another card."],
  canceled: ["bad", "The payment was canceled", "No money was taken."],
  local_rejected: ["bad", "Stripe refused this payment", "No money was taken."],
};

async function ask(path, options) {
  const response = await fetch("/shop/api/" + path, options);
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const said = body.detail || (body.error && body.error.message) || "The gateway answered " + response.status + ".";
    throw new Error(said);
  }
  return body;
}

function headline(tone, title, text) {
  part("payment").hidden = false;
  part("headline").textContent = title;
  part("headline").className = tone;
  part("explanation").textContent = text;
}

function isAtRest(payment) {
  const declined = payment.status === "requires_payment_method" && payment.last_error;
  return RESTING.has(payment.status) || Boolean(declined);
}

function show(payment) {
  let status = payment.status;
  if (status === "requires_payment_method" && !payment.last_error) status = "requires_confirmation";
  const [tone, title, text] = MEANINGS[status] || ["wait", payment.status, ""];
  const why = payment.last_error && payment.last_error.message;
  headline(tone, title, tone === "bad" && why ? why + " No money was taken." : text);
  part("payment-id").textContent = payment.id;
  const action = payment.status === "requires_action" && payment.next_action;
  const url = action && action.redirect_to_url && action.redirect_to_url.url;
  part("action").hidden = !url;
  if (url && /^https?:\/\//.test(url)) part("action-link").href = url;
  part("again").hidden = !isAtRest(payment);
}

function showEvents(events) {
  const rows = events.slice().sort((one, other) => one.version - other.version).map((event) => {
    const row = document.createElement("li");
    const what = document.createElement("b");
    const when = document.createElement("time");
    const detail = document.createElement("small");
    what.textContent = event.machine === "payment" ? event.to : event.machine + ": " + event.to;
    detail.textContent = event.kind;
    const at = new Date(event.created_at);
    when.dateTime = event.created_at;
    when.textContent = at.toLocaleTimeString([], { hour12: false }) + "." + String(at.getMilliseconds()).padStart(3, "0");
    row.append(what, when, detail);
    return row;
  });
  part("events").replaceChildren(...rows);
}

let watched = null;

async function watch(id) {
  watched = id;
  let failures = 0;
  while (watched === id) {
    try {
      const payment = await ask("payments/" + encodeURIComponent(id));
      const events = await ask("payments/" + encodeURIComponent(id) + "/events");
      show(payment);
      showEvents(events.data || []);
      failures = 0;
      if (isAtRest(payment)) return;
    } catch (error) {
      failures += 1;
      if (failures > 5) return headline("bad", "The gateway does not answer", error.message);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function buy(event) {
  event.preventDefault();
  const button = part("buy");
  const card = new FormData(part("order")).get("card");
  button.disabled = true;
  button.textContent = "One moment …";
  part("events").replaceChildren();
  part("payment-id").textContent = "";
  part("action").hidden = true;
  part("again").hidden = true;
  headline("wait", "Placing your order", "");
  part("payment").scrollIntoView({ behavior: "smooth", block: "nearest" });
  try {
    const payment = await ask("payments", {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
      body: JSON.stringify({ payment_method: card }),
    });
    show(payment);
    watch(payment.id);
  } catch (error) {
    headline("bad", "The order did not go through", error.message);
    part("again").hidden = false;
  } finally {
    button.disabled = false;
    button.textContent = "Buy the mug";
  }
}

async function comeBack() {
  const query = new URLSearchParams(location.search);
  const intent = query.get("payment_intent");
  if (!intent) return;
  history.replaceState(null, "", location.pathname);
  headline("wait", "Welcome back from your bank", "");
  try {
    const payment = await ask("payment_intents/" + encodeURIComponent(intent));
    watch(payment.id);
  } catch (error) {
    headline("bad", "The payment was not found", error.message);
  }
}

part("order").addEventListener("submit", buy);
part("again").addEventListener("click", () => {
  watched = null;
  part("payment").hidden = true;
  part("buy").focus();
});
comeBack();
