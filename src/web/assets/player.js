// The player of a clip: steps by frames, speeds, marks that are kept in the address (?t=in,out), what the station says it has
// verified so far, and previews of what the browser cannot play. A preview comes in pieces of six seconds, each a WebM file
// of its own, put on one time axis; only what is looked at is made, and leaving off ends the work. A media element says only
// that it failed: what the station did not give out is told apart from what cannot be played. Without this script the
// browser's own controls and the links still work.
(function () {
  "use strict";

  var PIECE_S = 6;
  // Pieces that are fetched ahead of what plays.
  var AHEAD = 3;
  // A gap of less than this between two pieces is stepped over: the last picture of a piece has no stated length.
  var GAP_S = 1.5;
  // A piece for which there is no room, two seconds apart, is asked for so often.
  var TRIES = 30;
  // A station that says it takes longer than this is not waited for.
  var PATIENCE_S = 10;
  // The station is asked what it has verified at most this often, milliseconds.
  var VERIFIED_MS = 2000;
  // MediaError: the connection broke while something came.
  var BROKE = 2;

  // What is inside belongs to this script while the page refreshes itself around it.
  if (window.Idiomorph) {
    window.Idiomorph.defaults.callbacks.beforeNodeMorphed = function (old, fresh) {
      return !(old.id && old.id === fresh.id && old.hasAttribute && old.hasAttribute("data-keep"));
    };
  }

  function clock(s) {
    var two = function (n) { return (n < 10 ? "0" : "") + n; };
    var whole = Math.floor(s);
    var hours = Math.floor(whole / 3600);
    return (hours ? hours + ":" + two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)) + ":" + two(whole % 60);
  }

  function seconds(s) {
    return String(Math.round(s * 1000) / 1000);
  }

  // Marks from the address, as the server reads them too (domain::derived::parse_span).
  function marksOf(address) {
    var given = new URL(address).searchParams.get("t") || "";
    var found = /^(\d{0,6}(?:\.\d{1,3})?)(?:,(\d{1,6}(?:\.\d{1,3})?))?$/.exec(given);
    if (!found || !given) return { from: null, to: null };
    return { from: found[1] ? Number(found[1]) : null, to: found[2] ? Number(found[2]) : null };
  }

  // Why an answer holds no footage, or null: "door" (nobody is signed in any more), "refused" (no right, or no reason was
  // said), "later"; of a preview also "slow": its making took too long.
  var REFUSALS = ["door", "refused", "later", "slow"];
  function refusal(answer) {
    // To the door one is sent by a redirect, which is not followed.
    if (answer.type === "opaqueredirect" || answer.status === 401) return "door";
    if (answer.ok || answer.status === 416) return null;
    if (answer.status === 408 || answer.status === 429 || answer.status >= 500) return "later";
    return "refused";
  }

  function asked(address, more) {
    var how = { cache: "no-store", credentials: "same-origin", redirect: "manual" };
    for (var key in more) how[key] = more[key];
    return fetch(address, how);
  }

  // Why `media` failed: one of the above, or "encoding". Of the clip one byte is asked for, as a part of the same viewing.
  function whyFailed(media, address) {
    var broke = media.error && media.error.code === BROKE;
    return asked(address.split("#")[0], { headers: { range: "bytes=0-0" } }).then(function (answer) {
      if (answer.body) answer.body.cancel();
      return refusal(answer) || (broke ? "later" : "encoding");
    }, function () { return "later"; });
  }

  // One preview on one media element. `told` hears "ready", "busy" and "none", or why the station gives nothing.
  function Preview(media, base, length, startAt, told) {
    var source = new MediaSource();
    var buffer = null;
    var have = {};
    var asking = null;
    var later = 0;
    var last = length > 0 ? Math.max(0, Math.ceil(length / PIECE_S) - 1) : Infinity;
    var wanted = startAt > 0 || !media.paused;
    var over = false;
    var tried = 0;

    media.preload = "auto";
    media.src = URL.createObjectURL(source);
    if (startAt > 0) media.currentTime = startAt;

    function now() {
      return media.readyState > 0 ? media.currentTime : Math.max(startAt, media.currentTime);
    }

    // The piece that is needed first, or null.
    function next() {
      var at = Math.floor(now() / PIECE_S);
      for (var n = at; n <= Math.min(last, at + AHEAD); n++) {
        if (!have[n]) return n;
      }
      return null;
    }

    function pull() {
      if (over || !wanted || !buffer && source.readyState !== "open" || buffer && buffer.updating) return;
      var n = next();
      if (asking && asking.piece !== n && n === Math.floor(now() / PIECE_S)) {
        asking.aborter.abort();
        asking = null;
      }
      if (n === null) return finish();
      if (asking || later) return;
      var mine = asking = { piece: n, aborter: new AbortController() };
      told("busy");
      asked(base + "/" + n, { signal: mine.aborter.signal })
        .then(function (answer) {
          if (answer.status === 422) return missing(n);
          var why = refusal(answer);
          // What cannot be had so soon is not asked for again and again: whoever looks decides when.
          if (answer.status === 503 && Number(answer.headers.get("retry-after")) > PATIENCE_S) return end("slow");
          if (why === "later") return again();
          if (why) return end(why);
          tried = 0;
          return answer.arrayBuffer().then(function (bytes) {
            if (asking === mine) add(n, answer, bytes);
          });
        })
        .catch(function (error) {
          if (error.name !== "AbortError") again();
        })
        .then(function () {
          if (asking === mine) asking = null;
          pull();
        });
    }

    function end(why) {
      over = true;
      told(why);
    }

    function again() {
      if (++tried > TRIES) return end("later");
      later = setTimeout(function () {
        later = 0;
        pull();
      }, 2000);
    }

    // Nothing at that place: the clip ends there, or nothing can be made of it at all.
    function missing(n) {
      if (n > 0) last = n - 1;
      else end("none");
    }

    function add(n, answer, bytes) {
      var type = answer.headers.get("content-type");
      var ms = Number(answer.headers.get("evidock-clip-ms"));
      if (!buffer) {
        if (!MediaSource.isTypeSupported(type)) return end("none");
        buffer = source.addSourceBuffer(type);
        buffer.addEventListener("updateend", settled);
        if (!(length > 0) && ms > 0) {
          length = ms / 1000;
          last = Math.max(0, Math.ceil(length / PIECE_S) - 1);
        }
        if (length > 0) source.duration = length;
      }
      try {
        // A piece does not say that it has ended; without this its last pictures would be waited for.
        buffer.abort();
        buffer.timestampOffset = n * PIECE_S;
        buffer.appendBuffer(bytes);
        have[n] = true;
      } catch (error) {
        if (error.name === "QuotaExceededError") shed();
        else end("none");
      }
    }

    // The browser keeps no more: what lies far from here goes.
    function shed() {
      var at = Math.floor(now() / PIECE_S);
      var far = Object.keys(have).map(Number).filter(function (n) { return n < at - 2 || n > at + AHEAD; });
      if (!far.length) {
        over = true;
        return;
      }
      far.forEach(function (n) { delete have[n]; });
      var before = Math.max(0, (at - 2) * PIECE_S);
      if (before > 0) buffer.remove(0, before);
      else buffer.remove((at + AHEAD + 1) * PIECE_S, Infinity);
    }

    function settled() {
      told("ready");
      hop();
      pull();
    }

    // Steps over the small gap between two pieces. A browser stops a little before the end of what it has.
    function hop() {
      if (media.readyState > 2 || media.readyState === 0) return;
      var at = media.currentTime;
      for (var i = 0; i < media.buffered.length; i++) {
        if (at < media.buffered.end(i) - 0.3 && at >= media.buffered.start(i)) return;
        var gap = media.buffered.start(i) - at;
        if (gap > 0 && gap < GAP_S && have[Math.floor(at / PIECE_S)]) {
          media.currentTime = media.buffered.start(i) + 0.001;
          return;
        }
      }
    }

    function finish() {
      if (source.readyState !== "open" || buffer && buffer.updating || !have[last]) return;
      source.endOfStream();
    }

    function want() {
      wanted = true;
      hop();
      pull();
    }

    source.addEventListener("sourceopen", function () {
      if (length > 0 && !buffer) source.duration = length;
      pull();
    });
    ["play", "seeking", "timeupdate", "waiting", "stalled"].forEach(function (event) {
      media.addEventListener(event, want);
    });
    this.start = want;
    this.stop = function () {
      over = true;
      clearTimeout(later);
      if (asking) asking.aborter.abort();
    };
  }

  // The page of several clips has it, too (together.js).
  window.EvidockPreview = Preview;
  window.EvidockWhyFailed = whyFailed;

  function begin(screen) {
    if (screen.begun) return;
    screen.begun = true;
    var media = screen.querySelector("video, audio");
    var part = function (name) { return screen.querySelector("[data-part=" + name + "]"); };
    var fps = Number(screen.dataset.fps) || 25;
    var length = Number(screen.dataset.ms) / 1000;
    var marks = marksOf(location.href);
    var startAt = marks.from || 0;
    var master = media.getAttribute("src");
    var preview = null;
    var stretch = false;

    function show(name, shown) {
      if (part(name)) part(name).hidden = !shown;
    }

    function derive() {
      if (preview || !screen.dataset.preview) return;
      if (!window.MediaSource) return show("none", true);
      media.removeAttribute("src");
      screen.classList.add("is-derived");
      show("verified", false);
      show("derived", true);
      preview = new Preview(media, screen.dataset.preview, length, startAt, function (what) {
        show("busy", what === "busy" && media.readyState < 3);
        show("none", what === "none");
        if (REFUSALS.indexOf(what) >= 0) refuse(what);
      });
      window.addEventListener("pagehide", preview.stop);
    }

    function refuse(why) {
      REFUSALS.forEach(function (name) { show(name, name === why); });
      show("reload", why === "door" || why === "refused");
      show("again", why === "later" || why === "slow");
    }

    // Once more from where it was.
    function again() {
      refuse(null);
      startAt = media.currentTime || startAt;
      if (preview) {
        preview.stop();
        preview = null;
        return derive();
      }
      media.load();
      media.play().catch(function () {});
    }

    // What this browser cannot play after all, or plays without its picture.
    media.addEventListener("error", function () {
      if (preview || !master) return;
      whyFailed(media, master).then(function (why) {
        if (preview) return;
        if (why === "encoding") derive();
        else refuse(why);
      });
    });
    media.addEventListener("loadeddata", function () {
      if (!preview && media.videoWidth === 0 && screen.dataset.pictures) derive();
    });
    media.addEventListener("loadedmetadata", function () {
      if (!preview && startAt > 0 && media.currentTime < startAt) media.currentTime = startAt;
    });
    if (screen.dataset.derived) derive();
    else if (startAt > 0) media.preload = "metadata";

    function step(by) {
      media.pause();
      // To the middle of a picture, so that rounding never shows its neighbour.
      var frame = Math.floor(media.currentTime * fps + 0.001) + by;
      media.currentTime = Math.max(0, Math.min((frame + 0.5) / fps, media.duration || Infinity));
    }

    function address() {
      var here = new URL(location.href);
      here.searchParams.delete("done");
      here.searchParams.delete("save");
      here.hash = "";
      var from = marks.from === null ? "" : seconds(marks.from);
      var text = marks.to === null ? from : (from || "0") + "," + seconds(marks.to);
      if (text) here.searchParams.set("t", text);
      else here.searchParams.delete("t");
      return here.href.replace("%2C", ",");
    }

    function marked() {
      var text = marks.from === null && marks.to === null ? "" : clock(marks.from || 0) + (marks.to === null ? "" : " – " + clock(marks.to));
      part("marks").textContent = text;
      part("link").value = address();
      show("stretch", marks.to !== null);
      show("clear", text !== "");
      show("linked", text !== "");
      history.replaceState(history.state, "", address());
    }

    function mark(which) {
      marks[which] = media.currentTime;
      if (marks.from !== null && marks.to !== null && marks.to <= marks.from) marks[which === "from" ? "to" : "from"] = null;
      marked();
    }

    var acts = {
      reload: function () { location.reload(); },
      again: again,
      back: function () { step(-1); },
      on: function () { step(1); },
      from: function () { mark("from"); },
      to: function () { mark("to"); },
      stretch: function () {
        stretch = true;
        media.currentTime = marks.from || 0;
        media.play();
      },
      clear: function () {
        marks = { from: null, to: null };
        marked();
      },
      copy: function () {
        part("link").select();
        if (navigator.clipboard) navigator.clipboard.writeText(part("link").value).catch(function () {});
      },
    };
    screen.addEventListener("click", function (event) {
      var button = event.target.closest("[data-act]");
      if (button) acts[button.dataset.act]();
      var place = event.target.closest("[data-t]");
      if (place && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        startAt = Number(place.dataset.t);
        if (!preview && media.readyState === 0) media.load();
        media.currentTime = startAt;
        if (preview) preview.start();
        media.focus();
      }
    });
    screen.addEventListener("keydown", function (event) {
      var act = { ",": "back", ".": "on", i: "from", o: "to" }[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
      event.preventDefault();
      acts[act]();
    });
    part("speed").addEventListener("change", function () {
      media.playbackRate = Number(this.value);
    });
    media.addEventListener("timeupdate", function () {
      if (stretch && marks.to !== null && media.currentTime >= marks.to) {
        stretch = false;
        media.pause();
      }
    });
    media.addEventListener("pause", function () { stretch = false; });

    // Only the station knows what it compared with the seal: it is asked when the browser has had more. A preview is a file
    // of its own, which was never sealed, and says so itself.
    var bar = part("bar");
    var had = "";
    var askedAt = 0;
    var waiting = 0;
    function verified() {
      if (preview || waiting || !screen.dataset.verified) return;
      var has = "";
      for (var i = 0; i < media.buffered.length; i++) has += media.buffered.start(i) + " " + media.buffered.end(i) + " ";
      if (!has || has === had) return;
      var wait = askedAt + VERIFIED_MS - Date.now();
      if (wait > 0) {
        waiting = setTimeout(function () {
          waiting = 0;
          verified();
        }, wait);
        return;
      }
      had = has;
      askedAt = Date.now();
      asked(screen.dataset.verified).then(function (answer) {
        return answer.ok ? answer.json() : null;
      }).then(function (said) {
        if (said && !preview) drawn(said.ranges);
      }).catch(function () {});
    }

    function drawn(ranges) {
      var whole = Number(screen.dataset.bytes);
      var sum = 0;
      while (bar.firstChild) bar.removeChild(bar.firstChild);
      ranges.forEach(function (range) {
        var rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
        rect.setAttribute("x", String(range[0] / whole * 1000));
        rect.setAttribute("width", String(Math.max(2, (range[1] - range[0]) / whole * 1000)));
        rect.setAttribute("height", "6");
        bar.appendChild(rect);
        sum += range[1] - range[0];
      });
      part("ranges").textContent = (sum / 1e6).toFixed(1) + " / " + (whole / 1e6).toFixed(1) + " MB";
      part("ranges").dataset.bytes = String(sum);
      show("verified", sum > 0 && whole > 0);
    }
    ["progress", "timeupdate", "loadedmetadata", "seeked"].forEach(function (event) {
      media.addEventListener(event, verified);
    });

    show("tools", true);
    if (media.tagName === "AUDIO" || !screen.dataset.pictures) {
      show("back", false);
      show("on", false);
    }
    marked();
  }

  function all() {
    var screens = document.querySelectorAll(".screen");
    for (var i = 0; i < screens.length; i++) begin(screens[i]);
  }

  document.body.addEventListener("htmx:oobAfterSwap", all);
  document.body.addEventListener("htmx:afterSettle", all);
  all();
})();
