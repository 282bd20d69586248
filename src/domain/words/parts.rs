//! Parts of the daemon by name, as alarms tell them. A part calls itself in English; what it looks after keeps its own name.

use std::borrow::Cow;

use super::Lang;

/// Parts of which there is one.
const ONE: &[(&str, &str)] = &[
    ("USB", "USB 采集位"),
    ("clock", "时钟"),
    ("discovery", "查找记录仪"),
    ("disposal", "销毁"),
    ("docking folder", "接入目录"),
    ("documents", "文书"),
    ("eviction", "腾出空间"),
    ("exchange in", "数据交换（导入）"),
    ("exchange out", "数据交换（导出）"),
    ("hook", "联动程序"),
    ("lamps", "指示灯"),
    ("mend", "补传"),
    ("roster", "排班表"),
    ("timestamps", "时间戳"),
];

/// Those of which there may be several, by how their names begin.
const SEVERAL: &[(&str, &str)] = &[
    ("audit ", "云端抽检"),
    ("epoch of ", "日志"),
    ("locks ", "对象锁定"),
    ("log at ", "上传目标处的日志"),
    ("log of ", "日志"),
    ("recorder ", "记录仪"),
    ("stream ", "录制"),
    ("task ", "内部任务"),
    ("witness ", "见证方"),
];

/// The name of a part in a language; one that is not known here stands as it calls itself.
pub fn part_name(name: &str, lang: Lang) -> Cow<'_, str> {
    if lang == Lang::En {
        return name.into();
    }
    let one = ONE.iter().find(|(own, _)| *own == name).map(|(_, zh)| (*zh).into());
    let several = || SEVERAL.iter().find_map(|(own, zh)| Some(format!("{zh} {}", name.strip_prefix(own)?).into()));
    one.or_else(several).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_in_the_language_of_whoever_reads() {
        assert_eq!(part_name("witness w", Lang::Zh), "见证方 w");
        assert_eq!(part_name("witness w", Lang::En), "witness w");
        assert_eq!(part_name("clock", Lang::Zh), "时钟");
        assert_eq!(part_name("of the future", Lang::Zh), "of the future");
    }
}
