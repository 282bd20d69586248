// Keys of triage: j and k go from clip to clip, Enter takes what stands in the boxes, o does so for the whole outing, x refuses,
// n, p and v type a number, a place, what it proves; 1 to 9 take a proof from the list, u takes the last decision back. Each
// presses a button or fills a box of a form that works without a script.
(function () {
  "use strict";

  var cards = Array.prototype.slice.call(document.querySelectorAll(".triage > .card"));
  var at = 0;

  function show(to) {
    if (!cards.length) return;
    at = Math.max(0, Math.min(cards.length - 1, to));
    for (var i = 0; i < cards.length; i++) cards[i].classList.toggle("current", i === at);
    cards[at].focus({ preventScroll: true });
    cards[at].scrollIntoView({ block: "nearest" });
  }

  function press(key) {
    var inside = key === "u" ? document : cards[at];
    var found = inside && inside.querySelector('[data-key="' + key + '"]');
    if (!found) return false;
    if (found.tagName === "INPUT") {
      found.focus();
      // What is typed replaces what was suggested.
      found.select();
    } else found.click();
    return true;
  }

  function choose(button) {
    var box = button.form.querySelector("[name=proves]");
    box.value = button.value;
    var all = button.form.querySelectorAll("[data-choice]");
    for (var i = 0; i < all.length; i++) all[i].setAttribute("aria-pressed", String(all[i] === button));
  }

  var lists = document.querySelectorAll(".triage .choices");
  for (var i = 0; i < lists.length; i++) lists[i].hidden = false;
  document.addEventListener("click", function (e) {
    var button = e.target.closest && e.target.closest("[data-choice]");
    if (button) choose(button);
  });

  document.addEventListener("keydown", function (e) {
    // From a box the way back to the keys.
    if (e.key === "Escape" && e.target.tagName === "INPUT") {
      show(at);
      return;
    }
    // Whoever types, or means the browser, is let alone; so is a button that has the focus itself.
    if (e.ctrlKey || e.altKey || e.metaKey || /^(INPUT|TEXTAREA|SELECT|BUTTON|A)$/.test(e.target.tagName)) return;
    var done = true;
    if (e.key === "j") show(at + 1);
    else if (e.key === "k") show(at - 1);
    else if (["Enter", "o", "x", "n", "p", "v", "u"].indexOf(e.key) >= 0) done = press(e.key);
    else if (/^[1-9]$/.test(e.key)) {
      var choice = cards[at] && cards[at].querySelector('[data-choice="' + e.key + '"]');
      if (choice) choose(choice);
      done = Boolean(choice);
    } else done = false;
    if (done) e.preventDefault();
  });

  show(0);
})();
