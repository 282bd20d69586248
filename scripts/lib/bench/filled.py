"""The database of a station that has been in use for years: clips, cases, links and facts as an agency makes them, far
more of them than footage could be docked for.

Every row is a twin of one that evidock wrote itself, of a clip that was docked, so that a column that is added later is
in it, too; what differs from clip to clip (when, who, where, which case, what is missing) is drawn from a fixed seed.
Nothing but the database is made: no file of these clips is there."""

import contextlib
import datetime as dt
import hashlib
import json
import random
import sqlite3
import uuid

# An agency as domain numbers go: recorders and officers of about ten stations, two years of shifts.
RECORDERS, OFFICERS, PLACES, DAYS = 500, 600, 4_000, 730
# Of a hundred outings: those that belong to a case, and those whose clips lack one and wait in triage.
LINKED, UNLINKED = 85, 10
FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平"
ROADS = "新华路 建设街 中山路 人民路 解放街 光明路 裕华路 和平路 友谊大街 槐安路".split()
TRADES = "餐饮 诊所 美容院 药店 超市 宾馆 网吧 加油站 食品厂 建材店".split()
MATTERS = "现场检查 调查取证 证据保全 听证 送达".split()
# Above the ids of real ones.
FIRST_CASE = 1_000_000
BEGIN = dt.datetime(2024, 7, 1, tzinfo=dt.timezone.utc)
BATCH = 5_000
# Entries of the log for each clip: sealed, probed, linked, sent, proven, looked at.
ENTRIES = 10
# To which the one real clip is linked: its key and its form for searching become those of the others.
NUMBER = "赵卫罚〔2024〕777号"


def fill(database, clips, cases, seed=20260619):
    """Fills the database of a stopped station in which one clip is docked, sealed and linked; gives the
    numbers of the cases."""
    draw = random.Random(seed)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        # It is thrown away afterwards; a power cut would cost the minutes of making it.
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA cache_size = -400000")
        twin = Twin(db)
        db.execute("BEGIN")
        numbers = make_cases(twin, cases)
        make_clips(db, twin, clips, cases, draw)
        make_log(db, twin)
        # Their texts are twins, too: indexing each anew would go on beside what is measured.
        db.execute("DELETE FROM search_due")
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return numbers


class Twin:
    """Rows of the one real clip and its case, table by table, as dictionaries."""

    def __init__(self, db):
        db.row_factory = sqlite3.Row
        self.db = db
        (self.clip,) = db.execute("SELECT l.clip_id FROM case_link l JOIN clip c USING (clip_id) WHERE c.role = 'clip' LIMIT 1").fetchone()
        (self.case,) = db.execute("SELECT case_id FROM case_link WHERE clip_id = ?", [self.clip]).fetchone()
        self.rows = {}
        tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")]
        for table in tables:
            columns = list(db.execute(f"PRAGMA table_info({table})"))
            names = [c["name"] for c in columns]
            # A number that SQLite gives out itself.
            self_made = [c["name"] for c in columns if c["pk"] and c["type"] == "INTEGER" and sum(1 for d in columns if d["pk"]) == 1]
            if "clip_id" in names and table not in ("log_entry", "outbox", "search_due"):
                self.keep(table, "clip_id = ?", self.clip, self_made)
            elif "case_id" in names and table in ("case_file", "case_alias"):
                self.keep(table, "case_id = ?", self.case, [])
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


def like(text, org, year, serial):
    """The form of another number, made of that of `NUMBER`."""
    return text.replace("赵卫罚", org).replace("2024", str(year)).replace("777", str(serial))


def make_cases(twin, count):
    """Cases, each with its number and, every other one, a second number; gives the numbers."""
    alias, file = twin.rows["case_alias"][0], twin.rows["case_file"][0]
    numbers, files, aliases = [], [], []
    for n in range(count):
        year, serial = year_and_serial(n)
        files.append(tuple({**file, "case_id": FIRST_CASE + n}.values()))
        for org in ("赵卫罚", "赵卫立")[: 1 + n % 2]:
            row = {**alias, "case_id": FIRST_CASE + n}
            for column in ("case_key", "display", "raw", "loose"):
                row[column] = like(alias[column], org, year, serial)
            # domain::layout::case_hash
            row["case_hash"] = hashlib.sha256(row["case_key"].encode()).hexdigest()
            aliases.append(tuple(row.values()))
        numbers.append(like(NUMBER, "赵卫罚", year, serial))
    twin.write("case_file", files)
    twin.write("case_alias", aliases)
    return numbers


def year_and_serial(n):
    # Beyond the serial of the real one.
    return 2019 + n % 8, n // 8 + 1_000


def make_clips(db, twin, count, cases, draw):
    recorders = [f"{n:07d}" for n in range(1_000_000, 1_000_000 + RECORDERS)]
    officers = [f"{name(draw)} ({110_000 + n})" for n in range(OFFICERS)]
    places = [f"{draw.choice(ROADS)}{n + 1}号{draw.choice(TRADES)}" for n in range(PLACES)]
    recorder_row = dict(db.execute("SELECT * FROM recorder LIMIT 1").fetchone())
    db.executemany(insert("recorder", recorder_row), [tuple({**recorder_row, "recorder_id": r}.values()) for r in recorders])
    pending = {table: [] for table in twin.rows if table not in ("case_file", "case_alias")}
    made = 0
    while made < count:
        recorder, officer, place = draw.choice(recorders), draw.choice(officers), draw.choice(places)
        at = BEGIN + dt.timedelta(days=draw.randrange(DAYS), minutes=draw.randrange(480, 1080))
        kind = draw.randrange(100)
        case = draw.randrange(cases)
        for _ in range(min(draw.randrange(4, 17), count - made)):
            length = draw.randrange(60, 900)
            facts = {"at": at, "length": length, "recorder": recorder, "officer": officer, "place": place, "n": made}
            facts["case"] = case if kind < LINKED else None
            facts["owes"] = [] if kind < LINKED else (["case_no"] if kind < LINKED + UNLINKED else ["case_no", "place", "proves"])
            one(twin, pending, facts, draw)
            at += dt.timedelta(seconds=length + draw.randrange(5, 240))
            made += 1
        if len(pending["clip"]) >= BATCH:
            flush(twin, pending)
    flush(twin, pending)


def one(twin, pending, facts, draw):
    """Rows of one clip."""
    ms = int(facts["at"].timestamp() * 1000)
    clip, digest = uuid7(ms, draw), draw.randbytes(32)
    start = facts["at"].isoformat().replace("+00:00", "Z")
    size = facts["length"] * 1_000_000
    path = f"DCIM/VIDEO/DSJ_{facts['recorder']}_{facts['n']:06d}_{facts['at']:%Y%m%d_%H%M%S}.mp4".encode()
    common = {"clip_id": clip, "recorder_id": facts["recorder"], "path": path, "size_bytes": size}
    said = {"captured_start": start, "officer": facts["officer"], "place": facts["place"], "proves": "现场检查情况"}
    for table, rows in pending.items():
        for row in twin.rows[table]:
            row = {**row, **{k: v for k, v in common.items() if k in row}}
            if table == "clip":
                row.update(declared_bytes=size, durable_bytes=size, blake3=digest, sha256=digest, created_ms=ms, sealed_ms=ms + 60_000)
                row.update(state="proven", record_stale=0, record_rev=0, shares=None, supersedes=None, pushed_ms=None)
                row["owes_since_ms"] = row["sealed_ms"] if facts["owes"] else None
                row["evidence"] = evidence(row["evidence"], facts["at"], ms)
            elif table == "clip_index":
                row.update(captured_start_ms=ms, officer=facts["officer"], place=facts["place"], missing=",".join(facts["owes"]))
                row["missing_count"] = len(facts["owes"])
                row["triage"] = 5 - len(facts["owes"]) if facts["owes"] else None
                if "place" in facts["owes"]:
                    row["place"] = None
            elif table == "clip_report":
                row.update(captured_ms=ms, officer=facts["officer"], duration_ms=facts["length"] * 1000, bytes=size, sealed_ms=ms + 60_000)
                row.update(proven_ms=ms + 600_000, proven="in_time", completed_ms=None if facts["owes"] else ms + 60_000)
                row.update(complete="no" if facts["owes"] else "at_once", linked="no" if facts["case"] is None else "rule")
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
                key = like(row["case_key"], "赵卫罚", *year_and_serial(facts["case"]))
                row.update(case_id=FIRST_CASE + facts["case"], case_key=key, rev=1, matter=draw.choice(MATTERS), withdrawn=0)
            elif table in ("upload_session", "upload_part", "suggestion", "hold", "isolation"):
                continue
            rows.append(tuple(row.values()))


def evidence(text, at, ms):
    """What the recorder's file said, of another time."""
    said = json.loads(text)
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
