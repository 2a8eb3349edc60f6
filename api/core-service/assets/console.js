// What the pages do beyond links and forms: they follow changes, and answer keys. Without this script they work too.
(() => {
  "use strict";

  // The stream says "changed" at most once a second; each part of the page then fetches itself, so rights apply.
  let stream = null;
  const state = (text) => {
    const line = document.getElementById("live-state");
    if (line && line.textContent !== text) line.textContent = text;
  };
  const follow = () => {
    if (stream || document.hidden) return;
    stream = new EventSource("/live");
    stream.addEventListener("open", () => {
      document.documentElement.dataset.live = "open";
      state("");
    });
    stream.addEventListener("changed", changed);
    stream.addEventListener("error", () => {
      document.documentElement.dataset.live = "waiting";
      state("Not connected: the page may be old");
      if (stream && stream.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(follow, 5000);
      }
    });
  };
  const pause = () => {
    if (stream) stream.close();
    stream = null;
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return pause();
    follow();
    changed();
  });

  // Nothing is fetched while a person is writing or choosing in the part that would be replaced.
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const changed = () => {
    for (const part of document.querySelectorAll("[data-live]")) {
      if (!busy(part)) part.dispatchEvent(new CustomEvent("pawl:changed"));
    }
    const list = document.querySelector("[data-live-list]");
    if (list) refresh(list);
  };

  // Rows that are shown change in place; new ones announce themselves, so that nothing jumps under the pointer.
  let refreshing = false;
  const refresh = async (list) => {
    if (refreshing) return;
    refreshing = true;
    try {
      const answer = await fetch(list.dataset.liveList, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live-list]");
      if (!fresh) return;
      for (const part of page.querySelectorAll("[data-live-count]")) {
        const own = document.getElementById(part.id);
        if (own && own.textContent !== part.textContent) own.textContent = part.textContent;
      }
      const known = new Map([...list.tBodies[0].rows].map((row) => [row.dataset.id, row]));
      let news = 0;
      for (const row of fresh.tBodies[0].rows) {
        const own = known.get(row.dataset.id);
        if (!own) news += 1;
        else if (own.innerHTML !== row.innerHTML && !own.querySelector(":checked, :focus")) own.innerHTML = row.innerHTML;
      }
      const show = () => {
        list.tBodies[0].replaceChildren(...[...fresh.tBodies[0].rows].map((row) => document.importNode(row, true)));
        list.parentElement.hidden = false;
        document.querySelector("main .empty")?.remove();
        button.hidden = true;
      };
      const button = document.getElementById("news");
      if (known.size === 0 && news > 0) return show();
      button.hidden = news === 0;
      button.textContent = `Show ${news} new`;
      button.onclick = show;
    } catch {
      // The next change, or the stream's own state, says more.
    } finally {
      refreshing = false;
    }
  };

  // Keys.
  const move = (by) => {
    const rows = [...document.querySelectorAll("tbody tr[data-id]")];
    if (rows.length === 0) return;
    const at = rows.findIndex((row) => row.classList.contains("current"));
    const next = rows[Math.min(Math.max(at + by, 0), rows.length - 1)];
    rows.forEach((row) => row.classList.toggle("current", row === next));
    next.querySelector("[data-open]")?.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const keys = {
    "/": () => document.getElementById("search")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    r: () => (document.querySelector("tr.current [data-retry]") || document.querySelector("[data-retry]"))?.focus(),
    "?": () => document.getElementById("help")?.showModal(),
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches?.("input, select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  document.addEventListener("DOMContentLoaded", () => {
    follow();
    // Many jobs are dealt with portion by portion; each page asks for the next one.
    const further = document.querySelector("form[data-continue]");
    if (further) setTimeout(() => further.requestSubmit(), 200);
  });
})();
