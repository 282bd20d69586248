"""The database of a station that has been in use for years: clips, cases, links and facts as an agency makes them, far
more of them than footage could be docked for.

Every row is a twin of one that evidock wrote itself, of a clip that was docked, so that a column that is added later is
in it, too; what differs from clip to clip (when, who, where, which case, what is missing) is drawn from a fixed seed.
Nothing but the database is made: no file of these clips is there."""

import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import random
import sqlite3
import uuid

# An agency as domain numbers go: recorders and officers of about ten stations, two years of shifts.
RECORDERS, OFFICERS, UNITS, PLACES, DAYS = 500, 600, 20, 4_000, 730
# Of a hundred outings: routine checks for which no case was opened, those that belong to a case, and those whose clips lack
# one and wait in triage; the rest lacks more.
UNFILED, LINKED, UNLINKED = 50, 40, 7
# Of a hundred outings: those whose recorders knew where they were, and those whose files somebody named after their number.
POSITIONED, TAGGED = 30, 10
# Of a hundred outings that wait: those about which a rule suggested a case, and those about which two did.
SUGGESTED, DISPUTED = 60, 15
# Of a hundred outings on the roster: those for which it names a case.
ROSTER_NAMES_CASE = 30
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
ROADS = "新华路 建设街 中山路 人民路 解放街 光明路 裕华路 和平路 友谊大街 槐安路".split()
TRADES = "餐饮 诊所 美容院 药店 超市 宾馆 网吧 加油站 食品厂 建材店".split()
MATTERS = "现场检查 调查取证 证据保全 听证 送达".split()
CAUSES = "未取得卫生许可证 未公示卫生信息 未按规定消毒 超范围诊疗 使用非卫生技术人员".split()
BEGIN = dt.datetime(2024, 7, 1, tzinfo=dt.timezone.utc)
BATCH = 5_000
# Entries of the log for each clip: sealed, probed, linked, sent, proven, looked at.
ENTRIES = 10
# To which the one real clip is linked: its key and its form for searching become those of the others.
NUMBER = "赵卫罚〔2024〕777号"
# What routine checks are linked to, all of them; the real clip is, too, so that it is there.
DAILY = "日常检查(未立案)"
# An import takes 20 MB and 200,000 rows at most; larger registers come in parts.
PART_BYTES, PART_ROWS = 10_000_000, 100_000


@dataclasses.dataclass
class Outing:
    """Of one officer with one recorder to one place; `case` is its place in `World.cases`, if there is one; without one it
    may be `daily`, a routine check. `position` is where it was, if the recorder knew; `tag` stands in its files' names."""

    at: dt.datetime
    recorder: str
    officer: str
    place: str
    case: int | None
    daily: bool
    owes: list[str]
    clips: int
    position: tuple[float, float] | None
    tag: str | None
    # Cases that rules suggest.
    suggested: list[int]


@dataclasses.dataclass
class Case:
    number: str
    other: str | None
    place: int
    officers: tuple[str, str]
    opened: dt.datetime


class World:
    """The agency: who is in it, where it goes, its cases and its outings, drawn from a fixed seed. What registers and
    rosters say of it, evidock imports itself."""

    def __init__(self, clips, cases, seed=20260619):
        self.draw = draw = random.Random(seed)
        self.officers = [f"{name(draw)} ({110_000 + n})" for n in range(OFFICERS)]
        self.places = [f"{draw.choice(ROADS)}{n + 1}号{draw.choice(TRADES)}" for n in range(PLACES)]
        # In a county of about forty kilometres.
        self.positions = [(37.75 + draw.uniform(-0.2, 0.2), 114.77 + draw.uniform(-0.2, 0.2)) for _ in range(PLACES)]
        self.recorders = [str(n) for n in range(1_000_000, 1_000_000 + RECORDERS)]
        self.cases = [self.case(n) for n in range(cases)]
        self.outings = []
        left = clips
        while left > 0:
            self.outings.append(self.outing(min(draw.randrange(4, 17), left)))
            left -= self.outings[-1].clips

    def case(self, n):
        # Beyond the serial of the real one.
        year, serial = 2019 + n % 8, n // 8 + 1_000
        other = f"赵卫立〔{year}〕{serial}号" if n % 2 else None
        opened = BEGIN + dt.timedelta(days=self.draw.randrange(DAYS))
        officers = tuple(self.draw.sample(self.officers, 2))
        return Case(f"赵卫罚〔{year}〕{serial}号", other, self.draw.randrange(PLACES), officers, opened)

    def outing(self, clips):
        draw, kind = self.draw, self.draw.randrange(100)
        known = draw.randrange(len(self.cases))
        of_case, daily = self.cases[known], kind < UNFILED
        case = known if UNFILED <= kind < UNFILED + LINKED else None
        if case is not None:
            # A case is opened some days after the first outing, and there are more outings later.
            day, where = of_case.opened + dt.timedelta(days=draw.randrange(-5, 20)), of_case.place
            officer, owes = draw.choice(of_case.officers), []
        else:
            day, where = BEGIN + dt.timedelta(days=draw.randrange(DAYS)), draw.randrange(PLACES)
            officer = draw.choice(self.officers)
            more = [] if kind < UNFILED + LINKED + UNLINKED else ["place", "proves"]
            owes = [] if daily else ["case_no", *more]
        lot = draw.randrange(100)
        suggested = draw.sample(range(len(self.cases)), 2 if lot < DISPUTED else 1) if owes and lot < SUGGESTED else []
        at = day + dt.timedelta(minutes=draw.randrange(480, 1080))
        near = tuple(round(degrees + draw.uniform(-0.0003, 0.0003), 6) for degrees in self.positions[where])
        position = near if draw.randrange(100) < POSITIONED else None
        # Of what waits nobody knew a number.
        number = of_case.number if case is not None else DAILY if daily else None
        tag = f"{draw.choice(MATTERS)} {number}" if number and draw.randrange(100) < TAGGED else None
        recorder = draw.choice(self.recorders)
        return Outing(at, recorder, officer, self.places[where], case, daily, owes, clips, position, tag, suggested)

    def number_of(self, outing):
        """What an outing is linked to; nothing where it waits."""
        return DAILY if outing.daily else self.cases[outing.case].number if outing.case is not None else None

    def write_registers(self, folder, roster_rows):
        """Writes what evidock is to import; gives (words of its command line, file) in that order."""
        places = [f"{place},{number(n)},{place},{lat:.6f},{lon:.6f},WGS84" for n, (place, (lat, lon)) in enumerate(zip(self.places, self.positions))]
        officers = [f"{split[0]},{split[1].rstrip(')')},0301330{n:04d},执法{n % UNITS + 1}科,,," for n, split in enumerate(o.split(" (") for o in self.officers)]
        cases = [
            f"{c.number},,{c.other or ''},,,,,{self.places[c.place]},{CAUSES[n % len(CAUSES)]},处罚,公共场所卫生,执法{n % UNITS + 1}科,"
            f"{';'.join(c.officers)},{c.opened:%Y-%m-%d},,{self.places[c.place]},,,,立案;调查,"
            for n, c in enumerate(self.cases)
        ]
        roster = [
            f"{o.recorder},{o.officer},{o.at - dt.timedelta(hours=1):%Y-%m-%d %H:%M},{o.at + dt.timedelta(hours=7):%Y-%m-%d %H:%M},"
            f"{(self.number_of(o) or '') if n % 100 < ROSTER_NAMES_CASE else ''},{o.place if n % 2 else ''}"
            for n, o in enumerate(self.outings[:roster_rows])
        ]
        registers = {
            "party": ("当事人,统一社会信用代码,地址,纬度,经度,坐标系", places),
            "officer": ("姓名,警号,执法证号,单位,辅助人员,离岗时间,卡号", officers),
            "case": (
                "案件编号,其他编号,立案号,告知书文号,决定书文号,强制文号,检查任务号,当事人,案由,执法类别,执法事项,承办单位,承办人,立案时间,结案时间,案发地点,"
                "纬度,经度,坐标系,已完成环节,已完成事项",
                cases,
            ),
        }
        written = []
        for register, (header, rows) in registers.items():
            for n, part in enumerate(parts(rows)):
                written.append((("register", "import", register), write_csv(folder / f"{register}-{n + 1}.csv", header, part)))
        header = "recorder,officer,from,to,case,place"
        written.append((("roster", "import"), write_csv(folder / "filled-roster.csv", header, roster)))
        return written


def write_csv(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def parts(rows):
    """Rows in parts that an import takes."""
    part, size = [], 0
    for row in rows:
        length = len(row.encode()) + 1
        if part and (len(part) == PART_ROWS or size + length > PART_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += length
    if part:
        yield part


def number(n):
    """Like a unified social credit code of a business."""
    return f"92130133MA{n:08d}"


def fill(database, world):
    """Fills the database of a stopped station that imported the world's registers, and in which one clip is docked, sealed
    and linked."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        # It is thrown away afterwards; a power cut would cost the minutes of making it.
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")
        twin = Twin(db)
        db.execute("BEGIN")
        make_clips(db, twin, world)
        make_log(db, twin)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Twin:
    """Rows of the one real clip, table by table, as dictionaries."""

    def __init__(self, db):
        db.row_factory = sqlite3.Row
        self.db = db
        (self.clip,) = db.execute("SELECT l.clip_id FROM case_link l JOIN clip c USING (clip_id) WHERE c.role = 'clip' LIMIT 1").fetchone()
        self.rows = {}
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")]
        for table in tables:
            columns = list(db.execute(f"PRAGMA table_info({table})"))
            names = [c["name"] for c in columns]
            # A number that SQLite gives out itself.
            self_made = [c["name"] for c in columns if c["pk"] and c["type"] == "INTEGER" and sum(1 for d in columns if d["pk"]) == 1]
            # What is found by a search evidock writes itself, from what the triggers say is due.
            if "clip_id" in names and table not in ("log_entry", "outbox", "search_due", "search_text"):
                # Of its links the one to a case: to 日常检查 it is linked so that there is such a reference.
                of_case = " AND case_id IN (SELECT case_id FROM case_file WHERE kind = 'case')" if table == "case_link" else ""
                self.keep(table, f"clip_id = ?{of_case}", self.clip, self_made)
        self.statements = {table: insert(table, rows[0]) for table, rows in self.rows.items()}

    def keep(self, table, where, what, without):
        found = [dict(row) for row in self.db.execute(f"SELECT * FROM {table} WHERE {where}", [what])]
        if found:
            self.rows[table] = [{name: value for name, value in row.items() if name not in without} for row in found]

    def write(self, table, rows):
        self.db.executemany(self.statements[table], rows)


def insert(table, row):
    names = ", ".join(row)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})"


def name(draw):
    return draw.choice(FAMILY) + "".join(draw.choice(GIVEN) for _ in range(draw.choice((1, 2, 2))))


def make_clips(db, twin, world):
    draw = world.draw
    keys = {row[0]: tuple(row[1:]) for row in db.execute("SELECT display, case_key, case_id FROM case_alias")}
    recorder_row = dict(db.execute("SELECT * FROM recorder LIMIT 1").fetchone())
    db.executemany(insert("recorder", recorder_row), [tuple({**recorder_row, "recorder_id": r}.values()) for r in world.recorders])
    pending = {table: [] for table in twin.rows}
    suggestions, made = [], 0
    for outing in world.outings:
        at = outing.at
        for _ in range(outing.clips):
            length = draw.randrange(60, 900)
            number = world.number_of(outing)
            case = None if number is None else keys[number]
            facts = {"at": at, "length": length, "recorder": outing.recorder, "officer": outing.officer, "place": outing.place}
            facts.update(n=made, case=case, daily=outing.daily, owes=outing.owes, position=outing.position, tag=outing.tag)
            clip = one(twin, pending, facts, draw)
            for score, suggested in zip((70, 62), outing.suggested):
                text = world.cases[suggested].number
                suggestions.append((clip, keys[text][0], text, score, int(at.timestamp() * 1000)))
            at += dt.timedelta(seconds=length + draw.randrange(5, 240))
            made += 1
        if len(pending["clip"]) >= BATCH:
            flush(twin, pending)
    flush(twin, pending)
    db.executemany(
        "INSERT INTO suggestion (clip_id, case_key, raw, rule, score, reason, made_ms) VALUES (?, ?, ?, 'register', ?, '', ?)",
        suggestions,
    )


def one(twin, pending, facts, draw):
    """Rows of one clip; gives its id."""
    ms = int(facts["at"].timestamp() * 1000)
    clip, digest = uuid7(ms, draw), draw.randbytes(32)
    start = facts["at"].isoformat().replace("+00:00", "Z")
    size = facts["length"] * 1_000_000
    tag = f"_{facts['tag']}" if facts["tag"] else ""
    path = f"DCIM/VIDEO/DSJ_{facts['recorder']}_{facts['n']:06d}_{facts['at']:%Y%m%d_%H%M%S}{tag}.mp4".encode()
    position = {} if facts["position"] is None else dict(zip(("lat", "lon"), map(str, facts["position"])), datum="WGS84")
    common = {"clip_id": clip, "recorder_id": facts["recorder"], "path": path, "size_bytes": size}
    said = {"captured_start": start, "officer": facts["officer"], "place": facts["place"], "proves": "现场检查情况"}
    for table, rows in pending.items():
        for row in twin.rows[table]:
            row = {**row, **{k: v for k, v in common.items() if k in row}}
            if table == "clip":
                row.update(declared_bytes=size, durable_bytes=size, blake3=digest, sha256=digest, created_ms=ms, sealed_ms=ms + 60_000)
                row.update(state="proven", record_stale=0, record_rev=0, shares=None, supersedes=None, pushed_ms=None)
                row["owes_since_ms"] = row["sealed_ms"] if facts["owes"] else None
                row["evidence"] = evidence(row["evidence"], facts["at"], ms, position)
            elif table == "clip_index":
                row.update(captured_start_ms=ms, officer=facts["officer"], place=facts["place"], missing=",".join(facts["owes"]))
                row["missing_count"] = len(facts["owes"])
                row["triage"] = 5 - len(facts["owes"]) if facts["owes"] else None
                if "place" in facts["owes"]:
                    row["place"] = None
            elif table == "clip_report":
                row.update(captured_ms=ms, officer=facts["officer"], duration_ms=facts["length"] * 1000, bytes=size, sealed_ms=ms + 60_000)
                row.update(proven_ms=ms + 600_000, proven="in_time", completed_ms=None if facts["owes"] else ms + 60_000)
                linked = "no" if facts["case"] is None else "early" if facts["daily"] else "rule"
                row.update(complete="no" if facts["owes"] else "at_once", linked=linked)
                row.update(loose_ms=None if linked == "rule" else ms + 60_000, keep_ms=None)
            elif table == "fact":
                if row["field"] in facts["owes"]:
                    continue
                row["value"] = said.get(row["field"], row["value"])
            elif table == "media":
                row.update(duration_ms=facts["length"] * 1000, created_ms=ms)
            elif table == "delivery":
                row.update(state="proven", proven_ms=ms + 600_000, sent_ms=ms + 300_000, acked_bytes=size, reason=None)
            elif table == "sighting":
                row["modified_raw"] = f"{start} {facts['n']}"
            elif table == "record_rev":
                row.update(json=json.dumps({"record_id": clip}).encode(), catalogue_seq=0)
            elif table == "case_link":
                if facts["case"] is None:
                    continue
                key, case = facts["case"]
                row.update(case_id=case, case_key=key, rev=1, matter=draw.choice(MATTERS), withdrawn=0)
                if facts["daily"]:
                    row["raw"] = DAILY
            elif table in ("upload_session", "upload_part", "suggestion", "hold", "isolation"):
                continue
            rows.append(tuple(row.values()))
    if twin.rows["fact"]:
        said_so = {**twin.rows["fact"][0], "clip_id": clip, "origin": "sidecar", "actor": "daemon:evidock"}
        pending["fact"] += [tuple({**said_so, "field": field, "value": value}.values()) for field, value in position.items()]
    return clip


def evidence(text, at, ms, position):
    """What the recorder's file and its sidecar said, of another time and place."""
    said = json.loads(text)
    said["sidecar"] = [*said.get("sidecar", []), *map(list, position.items())]
    if said.get("named"):
        said["named"] = [f"{at:%Y%m%d_%H%M%S}", ms, 0]
    said["docked_ms"] = ms + 4 * 3_600_000
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def make_log(db, twin):
    """The log goes on with entries of each clip, in the order of the clips: the real one's, again and again. Its tree is
    that of RFC 6962, so that whoever appends to it finds what they need."""
    real = [dict(row) for row in db.execute("SELECT * FROM log_entry WHERE clip_id = ? ORDER BY seq", [twin.clip])]
    (seq,) = db.execute("SELECT coalesce(max(seq) + 1, 0) FROM log_entry").fetchone()
    left = {}
    for level in range(64):
        if seq >> level & 1:
            (left[level],) = db.execute("SELECT hash FROM log_node WHERE level = ? AND idx = ?", [level, (seq >> level) - 1]).fetchone()
    clips = [row[0] for row in db.execute("SELECT clip_id FROM clip WHERE clip_id <> ? ORDER BY clip_id", [twin.clip])]
    entries, nodes = [], []
    for clip in clips:
        for n in range(ENTRIES if real else 0):
            row = real[n % len(real)]
            data = row["bytes"].replace(twin.clip.encode(), clip.encode())
            entries.append((seq, data, row["kind"], row["wall_ms"], clip, row["case_hash"]))
            node, level, at = hashlib.sha256(b"\0" + data).digest(), 0, seq
            nodes.append((level, at, node))
            while at & 1:
                node = hashlib.sha256(b"\1" + left[level] + node).digest()
                level, at = level + 1, at >> 1
                nodes.append((level, at, node))
            left[level] = node
            seq += 1
        if len(entries) >= BATCH:
            append(db, entries, nodes)
    append(db, entries, nodes)


def append(db, entries, nodes):
    db.executemany("INSERT INTO log_entry (seq, bytes, kind, wall_ms, clip_id, case_hash) VALUES (?, ?, ?, ?, ?, ?)", entries)
    db.executemany("INSERT INTO log_node (level, idx, hash) VALUES (?, ?, ?)", nodes)
    entries.clear()
    nodes.clear()


def flush(twin, pending):
    for table, rows in pending.items():
        twin.write(table, rows)
        rows.clear()


def uuid7(ms, draw):
    """RFC 9562, version 7."""
    value = ms << 80 | 0x7 << 76 | draw.getrandbits(12) << 64 | 0b10 << 62 | draw.getrandbits(62)
    return str(uuid.UUID(int=value))
