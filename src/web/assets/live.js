// Keeps the live part of a page fresh. The server says that something changed (/live, server-sent events);
// htmx then fetches the part and morphs it in. A hidden tab lets its connection go: browsers allow six to one
// host, and a seventh tab would wait for ever. What changed meanwhile is told on return by the last event's id.
// A page without a live part listens, too, so that it says when the connection is gone.
// Whoever types in the live part, or has begun to, is let alone: the refresh waits, and a line says so.
(function () {
  "use strict";

  // The clock goes on from the station's own time, whatever the viewer's clock says.
  setInterval(function () {
    var clocks = document.querySelectorAll("time.ticks");
    for (var i = 0; i < clocks.length; i++) {
      var clock = clocks[i];
      var iso = clock.getAttribute("datetime");
      if (clock.iso !== iso) {
        clock.iso = iso;
        clock.since = performance.now();
      }
      // Read as UTC, its hours and minutes are those of the station's zone.
      var now = new Date(Date.parse(iso.slice(0, 19) + "Z") + performance.now() - clock.since);
      clock.textContent = now.toISOString().slice(11, 16);
    }
  }, 1000);

  // Where bars of links scroll, on a narrow screen, the one that is chosen is seen.
  var chosen = document.querySelectorAll(".top nav [aria-current], .subnav [aria-current]");
  for (var n = 0; n < chosen.length; n++) {
    var bar = chosen[n].parentElement;
    var at = chosen[n].getBoundingClientRect();
    bar.scrollLeft += at.left - bar.getBoundingClientRect().left - (bar.clientWidth - at.width) / 2;
  }

  var part = document.getElementById("live");
  var lost = document.getElementById("lost");
  var news = document.getElementById("news");
  if (!lost || !window.EventSource) return;

  var found = part && /live:(\w+)/.exec(part.getAttribute("hx-trigger") || "");
  // When the station changes nobody without a live part needs to know; that it can be reached is all that counts.
  var topic = found ? found[1] : "station";
  var name = topic === "clip" ? "clip:" + part.dataset.clip : topic;
  var last = document.body.dataset.live;
  var source = null;
  var late = 0;

  function well() {
    clearTimeout(late);
    late = 0;
    lost.hidden = true;
  }

  // A blink of the network is not worth a word; three seconds are.
  function ill() {
    if (!late && !document.hidden) late = setTimeout(function () { lost.hidden = false; }, 3000);
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // What is dear to make is asked for at most once in so many seconds, and once more after the last news.
  var pace = part ? 1000 * Number(part.dataset.pace || 0) : 0;
  var next = 0;
  var due = 0;

  function refresh() {
    if (!found || !window.htmx || due) return;
    var wait = next - performance.now();
    if (wait > 0) {
      due = setTimeout(function () { due = 0; refresh(); }, wait);
      return;
    }
    next = performance.now() + pace;
    window.htmx.trigger(document.body, "live:" + topic);
  }

  function open() {
    if (source || document.hidden) return;
    source = new EventSource("/live?topic=" + encodeURIComponent(name) + "&last=" + encodeURIComponent(last));
    source.onopen = well;
    source.addEventListener(name, function (event) {
      last = event.lastEventId;
      refresh();
    });
    source.onerror = function () {
      ill();
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 3000);
      }
    };
  }

  // --- Whoever types is let alone -----------------------------------------------------------------

  /**
   * Whether a field holds something else than the server wrote into it. What a refused form came back with was typed, although
   * the server wrote it.
   */
  function begun(field) {
    if (/^(hidden|submit|button|reset|image)$/.test(field.type)) return false;
    var again = field.form && field.form.hasAttribute("data-typed");
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== (!again && field.defaultChecked);
    if (field.tagName === "SELECT") {
      var was = 0;
      for (var i = 0; i < field.options.length; i++) if (!again && field.options[i].defaultSelected) was = i;
      return field.selectedIndex !== was;
    }
    return field.value !== (again ? "" : field.defaultValue);
  }

  function typing() {
    var live = document.getElementById("live");
    if (!live) return false;
    var at = document.activeElement;
    var text = at && live.contains(at) && (at.tagName === "TEXTAREA" || at.tagName === "SELECT" ||
      (at.tagName === "INPUT" && !/^(checkbox|radio|submit|button)$/.test(at.type)));
    if (text) return true;
    var fields = live.querySelectorAll("input, select, textarea");
    for (var i = 0; i < fields.length; i++) if (begun(fields[i])) return true;
    return false;
  }

  var owed = false;

  function settle() {
    if (!owed || typing()) return;
    owed = false;
    if (news) news.hidden = true;
    refresh();
  }

  // Only what comes by itself waits: a form of the page that asks for the part was sent by whoever types.
  function wait(event) {
    if (event.detail.requestConfig.elt.id !== "live" || !typing()) return;
    event.preventDefault();
    owed = true;
    if (news) news.hidden = false;
  }

  document.body.addEventListener("htmx:beforeRequest", wait);
  // Somebody may have begun while the answer was on its way.
  document.body.addEventListener("htmx:beforeSwap", wait);
  // After whatever the event itself does to the fields.
  ["focusout", "change", "input", "reset"].forEach(function (kind) {
    document.addEventListener(kind, function () { if (owed) setTimeout(settle, 0); });
  });
  // What somebody opened stays open; the server does not know of it.
  if (window.Idiomorph) {
    window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = function (attribute, node) {
      return !(attribute === "open" && node.tagName === "DETAILS");
    };
  }

  document.addEventListener("visibilitychange", function () {
    if (document.hidden) close();
    else open();
  });
  document.body.addEventListener("htmx:sendError", ill);
  document.body.addEventListener("htmx:responseError", ill);
  open();
})();
