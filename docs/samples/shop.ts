// A shop's back end that takes payments with Pawl: Node.js and nothing else. The same as shop.py.
//
// PAWL_API_KEY is the shop's key. STRIPE_PUBLISHABLE_KEY (pk_test_...) shows Stripe's card form; without it the page offers
// the simulator's test cards. PAWL_WEBHOOK_SECRET (whsec_...) verifies what Pawl sends to /webhooks.
import { createHmac, timingSafeEqual } from "node:crypto"
import { readFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"

const PAWL = (process.env.PAWL_URL ?? "http://127.0.0.1:8080") + "/api/v1"
const PORT = Number(process.env.PORT ?? 4242)
const PAGE = readFileSync(new URL("checkout.html", import.meta.url), "utf8")

type Payment = { id?: string; status?: string; client_secret?: string; detail?: string }

/** Calls Pawl. The same idempotency key never pays twice, so a call without an answer may be repeated. */
async function pawl(method: string, path: string, body?: object, key?: string): Promise<[number, Payment]> {
  const headers: Record<string, string> = {
    "X-API-Key": process.env.PAWL_API_KEY ?? "", "Content-Type": "application/json", "Prefer": "wait=10",
  }
  if (key) headers["Idempotency-Key"] = key
  const answer = await fetch(PAWL + path, { method, headers, body: body && JSON.stringify(body) })
  return [answer.status, await answer.json() as Payment]
}

/** Whether Pawl sent this, within five minutes (https://www.standardwebhooks.com). */
function verified(headers: IncomingMessage["headers"], body: Buffer): boolean {
  const secret = Buffer.from((process.env.PAWL_WEBHOOK_SECRET ?? "").replace("whsec_", ""), "base64")
  const sent = Number(headers["webhook-timestamp"])
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${sent}.`), body])
  const expected = Buffer.from("v1," + createHmac("sha256", secret).update(signed).digest("base64"))
  const given = String(headers["webhook-signature"]).split(" ").map(it => Buffer.from(it))
  const fresh = Math.abs(Date.now() / 1000 - sent) < 300
  return fresh && given.some(it => it.length === expected.length && timingSafeEqual(it, expected))
}

function answer(to: ServerResponse, status: number, body: object | string, kind = "application/json") {
  to.writeHead(status, { "Content-Type": kind }).end(typeof body === "string" ? body : JSON.stringify(body))
}

async function read(from: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of from) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

async function serve(request: IncomingMessage, to: ServerResponse) {
  const url = new URL(request.url ?? "/", `http://${request.headers.host}`)
  switch (`${request.method} ${url.pathname}`) {
    case "GET /":
      return answer(to, 200, PAGE.replace("{{publishable_key}}", process.env.STRIPE_PUBLISHABLE_KEY ?? ""), "text/html; charset=utf-8")
    case "GET /thanks": {
      // The customer's browser proves nothing: ask Pawl what became of the payment.
      const [status, payment] = await pawl("GET", `/payments/${url.searchParams.get("payment")}`)
      return answer(to, status, { status: payment.status, detail: payment.detail })
    }
    case "POST /orders": {
      const { order } = JSON.parse((await read(request)).toString())
      const payment = { amount: 1800, currency: "usd", description: "One mug", reference: String(order), return_url: `${url.origin}/thanks` }
      const [status, made] = await pawl("POST", "/payments", payment, `order-${order}`)
      return answer(to, status, { id: made.id, client_secret: made.client_secret, detail: made.detail })
    }
    case "POST /confirm": {
      const { payment, payment_method, click } = JSON.parse((await read(request)).toString())
      return answer(to, ...await pawl("POST", `/payments/${payment}/confirm`, { payment_method: String(payment_method) }, `click-${click}`))
    }
    case "POST /webhooks": {
      const body = await read(request)
      const good = verified(request.headers, body)
      // Fulfil the order here, once for each webhook-id: a delivery may come twice.
      console.log("webhook", good ? JSON.parse(body.toString()).type : "refused: wrong signature")
      return answer(to, good ? 200 : 401, {})
    }
    default:
      return answer(to, 404, { detail: "There is nothing here. Open /." })
  }
}

const server = createServer((request, to) => serve(request, to).catch(error => answer(to, 500, { detail: String(error) })))
server.listen(PORT, "127.0.0.1", () => console.log(`open http://127.0.0.1:${PORT}`))
