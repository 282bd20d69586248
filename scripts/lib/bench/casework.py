"""Casework at the size of years: finding a case, triage, trying the rules out, importing a roster, over a million clips and
a hundred thousand cases (`--clips`), in the store and over HTTP; and how finding grows from a hundredth of that."""

import http.client
import random
import re
import subprocess
import time
import urllib.parse

import filled
from station import EVIDOCK, ROOT, say

# Clips that there are for each case; half of them are of routine checks, so that a case has four, as an outing has.
CLIPS_OF_A_CASE = 10
TIMES = 300
RULED, ROSTER_ROWS = 100_000, 10_000


def casework(run, station, new_state, make_recorder):
    tool = program()
    small = filled_state(run, tool, "small", max(run.clips // 100, 1_000), station, new_state, make_recorder)
    large = filled_state(run, tool, "large", run.clips, station, new_state, make_recorder)
    before, after = (find_in_store(run, tool, *state) for state in (small, large))
    state, world = large
    figures = {"case_find_store": [(after, None)], "case_find_growth": [(after, before)]}
    look(tool, state)
    box = station(state)
    with box:
        box.until_ready()
        page = Page(box)
        draw = random.Random(1)
        asked = [numbers_of(case, draw) for case in draw.choices(world.cases, k=TIMES)]
        figures["case_find_http"] = [(slowest(page, [f"/api/v1/cases/{urllib.parse.quote(n)}" for n in asked]), None)]
        halves = [n.split("〕")[1].removesuffix("号") for n in asked[:50]]
        figures["case_half_http"] = [(slowest(page, [f"/api/v1/cases?query={half}" for half in halves]), None)]
        figures["search_http"] = [(slowest(page, [found_by(world, draw) for _ in range(60)]), None)]
        figures["triage_page"] = [(slowest(page, ["/triage"] * 50), None)]
        figures["clips_page"] = [(slowest(page, ["/clips"] * 50), None)]
        figures["station_page"] = [(slowest(page, ["/"] * 50), None)]
        figures["keeping_page"] = [(slowest(page, ["/keeping"] * 20), None)]
        figures["daily_page"] = [(slowest(page, [f"/cases/{urllib.parse.quote(filled.DAILY)}"] * 20), None)]
    ruled, world = filled_state(run, tool, "ruled", min(RULED, run.clips), station, new_state, make_recorder)
    box = station(ruled)
    with box:
        box.until_ready()
        figures["rules_try"] = [(seconds(box, "rules", "try"), None)]
        figures["roster_import"] = [(seconds(box, "roster", "import", next_roster(run, world)), None)]
    return figures


def numbers_of(case, draw):
    """One of a case's numbers."""
    return draw.choice([n for n in (case.number, case.other) if n])


def found_by(world, draw):
    """The address of a search as people make it: a place and a day, a party, a place and a matter, or somebody's name."""
    outing = draw.choice(world.outings)
    said = draw.choice(
        [
            f"{outing.place} {outing.at:%Y-%m-%d}",
            outing.place,
            f"{outing.place[:3]} {draw.choice(filled.MATTERS)}",
            outing.officer.split(" ")[0],
            outing.officer,
        ]
    )
    return f"/api/v1/clips?q={urllib.parse.quote(said)}"


def look(tool, state):
    """Prints how long each look that a page takes at the store takes, for whoever wants to know where time goes."""
    told = subprocess.run([tool, "looks", state], check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in told.splitlines():
        say(f"  {line}")


def program():
    subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--example", "casework"], cwd=ROOT, check=True)
    return EVIDOCK.parent / "examples" / "casework"


def filled_state(run, tool, name, clips, station, new_state, make_recorder):
    state = new_state(run, run.work / name)
    recorder = make_recorder(run.work / f"{name}-recorder", 1, 0)
    world = filled.World(clips, max(clips // CLIPS_OF_A_CASE, 1))
    folder = run.work / f"{name}-registers"
    folder.mkdir()
    box = station(state)
    with box:
        box.until_ready()
        with box.docked(recorder):
            box.until_sealed(1)
            box.until_probed(1)
        (clip,) = box.one("SELECT clip_id FROM clip")
        # All five facts, so that its twins have them.
        for words in (["link", clip, filled.NUMBER], ["link", clip, filled.DAILY], ["annotate", clip, "place=新华路1号", "proves=现场检查情况"]):
            seconds(box, *words)
        for words, file in world.write_registers(folder, ROSTER_ROWS):
            say(f"  {' '.join(words)}: {seconds(box, *words, file):.1f} s")
    began = time.monotonic()
    filled.fill(state / "evidock.db", world)
    made = time.monotonic()
    subprocess.run([tool, "index", state], check=True, stdout=subprocess.DEVNULL)
    say(f"  {clips} clips of {len(world.cases)} cases made in {made - began:.0f} s, made to be found in {time.monotonic() - made:.0f} s")
    return state, world


def find_in_store(run, tool, state, world):
    """The slowest but one in a hundred, milliseconds."""
    asked = run.work / "asked"
    draw = random.Random(2)
    asked.write_text("\n".join(numbers_of(case, draw) for case in draw.choices(world.cases, k=1_000)))
    told = subprocess.run([tool, "find", state, asked], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(told)


class Page:
    """A connection to the page of a station that is kept."""

    def __init__(self, box):
        said = re.findall(r'\bready\b.*\bpage="?https?://([^\s"/]+)', (box.state / "daemon.log").read_text(errors="replace"))
        if not said:
            raise SystemExit("error: the daemon did not say where its page is")
        self.http = http.client.HTTPConnection(said[-1], timeout=120)

    def get(self, path):
        """Milliseconds until the whole answer was there."""
        began = time.monotonic()
        self.http.request("GET", path)
        answer = self.http.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"error: {path} answered {answer.status}")
        return (time.monotonic() - began) * 1000


def slowest(page, paths):
    """The slowest but one in a hundred, milliseconds; the first request warms up and does not count."""
    page.get(paths[0])
    took = sorted(page.get(path) for path in paths)
    return took[min(len(took) - 1, len(took) * 99 // 100)]


def command(box):
    return [EVIDOCK, "--config", box.config, "--state", box.state]


def seconds(box, *words):
    began = time.monotonic()
    subprocess.run([*command(box), *map(str, words)], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def next_roster(run, world):
    """A roster of the month after the last, as it is imported each month."""
    rows = []
    for n in range(ROSTER_ROWS):
        recorder, day = world.recorders[n % len(world.recorders)], 1 + n // len(world.recorders)
        officer = world.officers[n % len(world.officers)]
        rows.append(f"{recorder},{officer},2026-08-{day:02d} 08:00,2026-08-{day:02d} 17:30,,新华路")
    return filled.write_csv(run.work / "roster.csv", "recorder,officer,from,to,case,place", rows)
