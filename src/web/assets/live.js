// Keeps the live part of a page fresh. The server says that something changed (/live, server-sent events);
// htmx then fetches the part and morphs it in. A hidden tab lets its connection go: browsers allow six to one
// host, and a seventh tab would wait for ever. What changed meanwhile is told on return by the last event's id.
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

  var part = document.getElementById("live");
  var lost = document.getElementById("lost");
  var found = part && /live:(\w+)/.exec(part.getAttribute("hx-trigger") || "");
  if (!found || !window.EventSource) return;

  var topic = found[1];
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

  function open() {
    if (source || document.hidden) return;
    source = new EventSource("/live?topic=" + encodeURIComponent(name) + "&last=" + encodeURIComponent(last));
    source.onopen = well;
    source.addEventListener(name, function (event) {
      last = event.lastEventId;
      window.htmx.trigger(document.body, "live:" + topic);
    });
    source.onerror = function () {
      ill();
      if (source && source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(open, 3000);
      }
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
