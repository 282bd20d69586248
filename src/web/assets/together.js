// Clips of a case on one axis of time: one picture a recorder, all of them at the same instant of capture. One clock goes
// over the axis and skips what nobody recorded; each picture follows it, and where one is late, the clock waits. What a
// browser cannot play is previewed as in the player of one clip (player.js), and says so. Marks stand in the address
// (?from=,to= milliseconds since 1970). Without this script the bars are links to the clips.
(function () {
  "use strict";

  var root = document.getElementById("together");
  if (!root) return;

  // A picture that is further off is put right at once; a little is caught up by speed.
  var JUMP_S = 0.4;
  var CATCH_UP_S = 0.04;
  // Pictures a second where a clip does not tell.
  var FPS = 25;
  // This far into a picture rounding never shows its neighbour, milliseconds.
  var INTO_MS = 2;
  // Pictures that load at the same time: each holds one of the six connections that a browser has to a host, and the page
  // itself needs two, for what it asks and for what it hears.
  var LOADING = 4;
  // The station is asked what it has verified at most this often, milliseconds.
  var VERIFIED_MS = 1000;

  function part(name, within) {
    return (within || root).querySelector("[data-part=" + name + "]");
  }
  function all(selector) {
    return Array.prototype.slice.call(root.querySelectorAll(selector));
  }

  var stretches = all("g.stretch").map(function (g) {
    return { start: Number(g.dataset.start), end: Number(g.dataset.end), x: Number(g.dataset.x), width: Number(g.dataset.width), offset: Number(g.dataset.offset) };
  });
  var lanes = all(".tile").map(function (tile, n) {
    var clips = all('rect[data-lane="' + n + '"]').map(function (rect) {
      // Of a clip that is of the case in part, the file begins before that part does.
      return {
        id: rect.dataset.clip,
        zero: Number(rect.dataset.zero),
        file: Number(rect.dataset.file),
        start: Number(rect.dataset.start),
        end: Number(rect.dataset.start) + Number(rect.dataset.ms),
        bytes: Number(rect.dataset.bytes),
        fps: Number(rect.dataset.fps) || FPS,
        had: "",
        asked: 0,
        verified: 0,
        seen: null,
      };
    });
    return { n: n, tile: tile, media: tile.querySelector("video"), clips: clips, clip: null, preview: null, state: "nothing" };
  });
  // Whose turn it is first where more have something to show than load at the same time.
  var turns = lanes.slice();
  var now = stretches[0].start;
  var playing = false;
  var speed = 1;
  var last = 0;
  var marks = { from: null, to: null };

  // Milliseconds of the axis before an instant, and the other way round.
  function along(at) {
    var before = 0;
    for (var i = 0; i < stretches.length; i++) {
      if (at <= stretches[i].end) return before + Math.max(0, at - stretches[i].start);
      before += stretches[i].end - stretches[i].start;
    }
    return before;
  }
  function instant(ms) {
    for (var i = 0; i < stretches.length; i++) {
      var length = stretches[i].end - stretches[i].start;
      if (ms <= length || i === stretches.length - 1) return stretches[i].start + Math.min(ms, length);
      ms -= length;
    }
    return 0;
  }
  function place(at) {
    var s = stretches.filter(function (x) { return at <= x.end; })[0] || stretches[stretches.length - 1];
    return s.x + s.width * Math.max(0, Math.min(1, (at - s.start) / Math.max(1, s.end - s.start)));
  }
  // As the station's clocks showed it.
  function clock(at) {
    var s = stretches.filter(function (x) { return at <= x.end; })[0] || stretches[stretches.length - 1];
    return new Date(at + s.offset).toISOString().slice(0, 19).replace("T", " ");
  }

  function show(lane, state) {
    if (lane.state === state) return;
    lane.state = state;
    ["nothing", "waiting", "refused", "barred", "full"].forEach(function (name) { part(name, lane.tile).hidden = name !== state; });
  }

  function leave(lane) {
    if (lane.preview) lane.preview.stop();
    lane.preview = null;
    lane.clip = null;
    lane.media.removeAttribute("src");
    lane.media.load();
    part("derived", lane.tile).hidden = true;
    part("open", lane.tile).hidden = true;
    show(lane, "nothing");
  }

  function enter(lane, clip) {
    leave(lane);
    lane.clip = clip;
    lane.media.preload = "auto";
    lane.media.src = "/clips/" + clip.id + "/media";
    part("open", lane.tile).hidden = false;
    show(lane, "waiting");
  }

  // Nothing comes of this picture any more.
  function isOver(lane) {
    return lane.state === "refused" || lane.state === "barred";
  }

  // What this browser cannot play after all.
  function derive(lane) {
    if (!lane.clip || lane.preview || !window.MediaSource || !window.EvidockPreview) return show(lane, "refused");
    var clip = lane.clip;
    lane.media.removeAttribute("src");
    part("derived", lane.tile).hidden = false;
    lane.preview = new window.EvidockPreview(lane.media, "/clips/" + clip.id + "/preview", clip.file / 1000, (now - clip.zero) / 1000, function (what) {
      if (lane.clip !== clip) return;
      if (what === "none") show(lane, "refused");
      if (what === "door" || what === "refused" || what === "later" || what === "slow") show(lane, "barred");
    });
    lane.preview.start();
  }

  lanes.forEach(function (lane) {
    lane.media.addEventListener("error", function () {
      var clip = lane.clip;
      if (!clip || lane.preview || isOver(lane)) return;
      window.EvidockWhyFailed(lane.media, "/clips/" + clip.id + "/media").then(function (why) {
        if (lane.clip !== clip || lane.preview) return;
        if (why === "encoding") derive(lane);
        else show(lane, "barred");
      });
    });
    lane.media.addEventListener("loadeddata", function () {
      if (lane.clip && !lane.preview && lane.media.videoWidth === 0) derive(lane);
    });
  });

  function clipAt(lane) {
    for (var i = 0; i < lane.clips.length; i++) {
      if (lane.clips[i].start <= now && now < lane.clips[i].end) return lane.clips[i];
    }
    return null;
  }

  // Lanes that have something to show now and may load it.
  function loading() {
    return turns.filter(function (lane) { return clipAt(lane) && !(isOver(lane) && clipAt(lane) === lane.clip); }).slice(0, LOADING);
  }

  // Each picture to the present instant; whether all that have one are there.
  function follow() {
    var ready = true;
    var may = loading();
    lanes.forEach(function (lane) {
      var there = clipAt(lane);
      var waits = there && may.indexOf(lane) < 0 && !(isOver(lane) && there === lane.clip);
      var clip = waits ? null : there;
      if (clip !== lane.clip) {
        if (clip) enter(lane, clip);
        else leave(lane);
      }
      if (!clip) show(lane, waits ? "full" : "nothing");
      if (!clip || isOver(lane)) return;
      var media = lane.media;
      var wanted = (now - clip.zero) / 1000;
      part("open", lane.tile).href = "/clips/" + clip.id + "?t=" + Math.max(0, wanted).toFixed(3);
      if (media.readyState < 1) {
        ready = false;
        return;
      }
      // The last picture may end a little before its clip does.
      if (isFinite(media.duration) && wanted >= media.duration - 0.05) return show(lane, "playing");
      var off = media.currentTime - wanted;
      if (!playing) {
        if (Math.abs(off) > 0.001 && !media.seeking) media.currentTime = wanted;
      } else if (Math.abs(off) > JUMP_S) {
        if (!media.seeking) media.currentTime = wanted;
        ready = false;
      } else {
        media.playbackRate = Math.max(0.1, Math.min(8, speed * (Math.abs(off) < CATCH_UP_S ? 1 : off > 0 ? 0.9 : 1.1)));
      }
      var isThere = media.readyState >= 2 && !media.seeking;
      if (media.readyState < 3 && playing) ready = false;
      show(lane, isThere ? "playing" : "waiting");
      if (playing && media.paused) media.play().catch(function () {});
      if (!playing && !media.paused) media.pause();
    });
    return ready;
  }

  function draw() {
    part("now").textContent = clock(now);
    var seek = part("seek");
    seek.value = String(Math.round(along(now)));
    seek.setAttribute("aria-valuetext", clock(now));
    ["x1", "x2"].forEach(function (end) { part("head").setAttribute(end, place(now) + "%"); });
  }

  function tick(time) {
    var passed = last ? Math.min(250, time - last) : 0;
    last = time;
    var ready = follow();
    if (playing && ready) {
      now += passed * speed;
      var here = stretches.filter(function (s) { return now < s.end; })[0];
      if (!here) {
        now = stretches[stretches.length - 1].end - 1;
        play(false);
      } else if (now < here.start) {
        now = here.start;
      }
      if (marks.to !== null && now >= marks.to && now - passed * speed < marks.to) {
        now = marks.to;
        play(false);
      }
      draw();
    }
    root.dataset.ready = ready ? "1" : "";
    window.requestAnimationFrame(tick);
  }

  function play(on) {
    playing = on;
    part("playword").textContent = on ? root.dataset.pause : root.dataset.play;
    if (!on) lanes.forEach(function (lane) { lane.media.pause(); });
  }

  // To the next picture, or the one before, of whichever clip has it first: recorders differ in their rates, and no picture
  // of any is stepped over.
  function step(by) {
    play(false);
    var shown = lanes.map(clipAt).filter(Boolean);
    if (!shown.length) return go(instant(Math.max(0, along(now) + by * 1000 / FPS)));
    // Begin of a picture of a clip: of the one that is shown at an instant, or of one further on.
    var begin = function (clip, at, further) {
      return clip.zero + (Math.floor((at - clip.zero) * clip.fps / 1000 + 1e-6) + further) * 1000 / clip.fps;
    };
    var begins = function (at, further) { return shown.map(function (clip) { return begin(clip, at, further); }); };
    if (by > 0) return go(Math.min.apply(null, begins(now, 1)) + INTO_MS);
    var newest = Math.max.apply(null, begins(now, 0));
    // What began together with it is the same step.
    go(Math.max.apply(null, begins(newest - INTO_MS, 0)) + INTO_MS);
  }

  function go(at) {
    now = instant(Math.max(0, along(at)));
    draw();
  }

  // Only the station knows what it compared with the seal: it is asked of one clip at a time, when the browser has had more
  // of it. Previews are files of their own and say so.
  function verified() {
    var more = lanes.filter(function (lane) { return lane.clip && !lane.preview && had(lane) !== lane.clip.had; });
    // The one that was asked for longest ago.
    var lane = more.sort(function (a, b) { return a.clip.asked - b.clip.asked; })[0];
    if (!lane) return;
    var clip = lane.clip;
    clip.had = had(lane);
    clip.asked = Date.now();
    fetch("/clips/" + clip.id + "/verified", { cache: "no-store", credentials: "same-origin", redirect: "manual" })
      .then(function (answer) { return answer.ok ? answer.json() : null; })
      .then(function (said) { if (said) drawn(lane, clip, said.ranges); })
      .catch(function () {});
  }

  function had(lane) {
    var all = "";
    for (var i = 0; i < lane.media.buffered.length; i++) all += lane.media.buffered.start(i) + " " + lane.media.buffered.end(i) + " ";
    return all;
  }

  // On its bar by the share of its bytes.
  function drawn(lane, clip, ranges) {
    if (!(clip.bytes > 0)) return;
    var group = root.querySelector('[data-seen="' + lane.n + '"]');
    if (clip.seen) group.removeChild(clip.seen);
    clip.seen = document.createElementNS("http://www.w3.org/2000/svg", "g");
    clip.verified = 0;
    ranges.forEach(function (range) {
      var from = Math.max(clip.start, clip.zero + range[0] / clip.bytes * clip.file);
      var to = Math.min(clip.end, clip.zero + range[1] / clip.bytes * clip.file);
      clip.verified += range[1] - range[0];
      if (to <= from) return;
      var rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("y", String(lane.n * 26 + 20));
      rect.setAttribute("height", "3");
      rect.setAttribute("x", place(from) + "%");
      rect.setAttribute("width", Math.max(0.2, place(to) - place(from)) + "%");
      clip.seen.appendChild(rect);
    });
    group.appendChild(clip.seen);
    var sum = 0;
    lanes.forEach(function (each) { each.clips.forEach(function (one) { sum += one.verified; }); });
    part("ranges").textContent = (sum / 1e6).toFixed(1) + " MB";
    part("verified").hidden = sum === 0;
  }

  function address() {
    var here = new URL(location.href);
    ["from", "to"].forEach(function (name) {
      if (marks[name] === null) here.searchParams.delete(name);
      else here.searchParams.set(name, String(Math.round(marks[name])));
    });
    return here.href;
  }

  function marked() {
    var any = marks.from !== null || marks.to !== null;
    part("clear").hidden = !any;
    part("linked").hidden = !any;
    part("link").value = address();
    var from = marks.from === null ? stretches[0].start : marks.from;
    var to = marks.to === null ? from : marks.to;
    part("marked").setAttribute("x", place(from) + "%");
    part("marked").setAttribute("width", any ? Math.max(0.3, place(to) - place(from)) + "%" : "0");
    history.replaceState(history.state, "", address());
  }

  var acts = {
    play: function () { play(!playing); },
    less: function () { go(instant(along(now) - 5000)); },
    more: function () { go(instant(along(now) + 5000)); },
    back: function () { step(-1); },
    on: function () { step(1); },
    instead: function (button) {
      var lane = lanes[Number(button.closest(".tile").dataset.lane)];
      turns = [lane].concat(turns.filter(function (other) { return other !== lane; }));
    },
    from: function () { marks.from = now; if (marks.to !== null && marks.to <= now) marks.to = null; marked(); },
    to: function () { marks.to = now; if (marks.from !== null && marks.from >= now) marks.from = null; marked(); },
    clear: function () { marks = { from: null, to: null }; marked(); },
    copy: function () {
      part("link").select();
      if (navigator.clipboard) navigator.clipboard.writeText(part("link").value).catch(function () {});
    },
  };
  root.addEventListener("click", function (event) {
    var button = event.target.closest("[data-act]");
    if (button) return acts[button.dataset.act](button);
    // A click on the axis goes there; on a bar, too, unless it asks for the clip itself.
    var axis = event.target.closest("[data-part=lanes]");
    if (!axis || event.ctrlKey || event.metaKey || event.shiftKey || event.detail === 0) return;
    event.preventDefault();
    var box = axis.getBoundingClientRect();
    var x = (event.clientX - box.left) / box.width * 100;
    var s = stretches.filter(function (y) { return x <= y.x + y.width; })[0] || stretches[stretches.length - 1];
    go(s.start + Math.max(0, Math.min(1, (x - s.x) / Math.max(0.0001, s.width))) * (s.end - s.start));
  });
  document.addEventListener("keydown", function (event) {
    var act = { k: "play", ",": "back", ".": "on", i: "from", o: "to", j: "less", l: "more" }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "range") return;
    event.preventDefault();
    acts[act]();
  });
  part("seek").addEventListener("input", function () { go(instant(Number(this.value))); });
  part("speed").addEventListener("change", function () { speed = Number(this.value); });
  part("sound").addEventListener("change", function () {
    var heard = this.value;
    lanes.forEach(function (lane, n) { lane.media.muted = String(n) !== heard; });
  });

  var asked = new URL(location.href).searchParams;
  ["from", "to"].forEach(function (name) {
    var at = Number(asked.get(name));
    if (asked.get(name) && isFinite(at) && at >= stretches[0].start && at <= stretches[stretches.length - 1].end) marks[name] = at;
  });
  if (marks.from !== null) now = marks.from;
  ["tiles", "transport", "seekrow"].forEach(function (name) { part(name).hidden = false; });
  marked();
  draw();
  setInterval(verified, VERIFIED_MS);
  window.requestAnimationFrame(tick);
})();
