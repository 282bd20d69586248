//! Keeps `docs/rights.md` equal to the table of rights in the code. After a change of the table, print it anew with
//! `EVIDOCK_PRINT_DOCS=1 cargo test --test rights`.

#![allow(clippy::unwrap_used)] // A test may fail by panicking; the lint's own exception ends at the test functions.

use std::fmt::Write;

use evidock::domain::rights::{Action, Over, People, Purpose, RIGHTS, Role};
use evidock::domain::sensitivity::Sensitivity;
use evidock::domain::words::Lang;

const HEAD: &str = "\
# Who may do what

Printed from the table in `src/domain/rights.rs`, which pages and API both ask; a test keeps this page equal to it. What no
line grants is refused. How people sign in, and what stands in the log, is in [access.md](access.md).

Each cell says over which clips a role has the right, up to which label (敏感标记) where that is not the highest, and \"why\"
where a purpose is asked: *why?* for clips that carry a label, **why** always. Labels in rising order: 无, 工作秘密, 商业秘密,
个人隐私, 未成年人; what is 疑似涉密 is shown to nobody. \"own\" are clips whose officer or second officer (协办人员) is the account's,
\"unit\" those whose officer is of its unit, \"sent\" those of cases that stand sent for review.

For filing a document, and for saying why something is not recorded, which is the same right, \"own\" and \"unit\" say that a clip of its case is, or that the register of cases names the account (承办人)
or its unit (承办单位) as who handles it; cases carry no label. Any clip of one's own may be linked to any number, so a clip in a
case shows no more of it than its numbers, that clip, and what should be recorded as far as such clips tell. What is known of the
case itself (party and cause by the register, holds, filing, opinions) is told to whom every clip is shown, to whom it stands
sent, and whom the register names; where no register has it, to whom nothing of it is beyond these bounds.

A list tells of a clip what its row on the page shows, and its label; its whole record is had by its id alone, with the right over
that clip and its purpose. Who else looked at a clip stands in what happened to it for those who see who looked; everybody sees
their own looks. Who had a file derived of it, and why, they see, and those who may derive of it. What is done to a clip (isolating
it, placing a hold) is another right than seeing its record: a form that is refused answers with the clip's page only those to whom
that would be shown.

Of a sampled clip that is beyond these bounds, by its label, its isolation or whose it is, a unit is told that it was drawn and how it
stands; not which clip it is nor what was found, and the unit does not answer. Reports tell of a case of others what the clips of theirs
show of it, and neither its unit nor what it lacks.

For rooms, \"own\" and \"unit\" say that an officer named for what is recorded there now, or whoever began it, is the account, or that
its officer is of its unit; what its clips say counts, too. Its case, officer, clip and still, and ending it, are for whom it is
theirs. Everybody else with the right sees that the room is in use; where nothing is recorded, whoever may record begins.

What takes two people takes them everywhere, or \"if configured\" where `[export] second_person` says so.

The three administrative roles keep apart (三员分立): whoever is security auditor, system administrator or security
administrator has no other role.
";

const TAIL: &str = "\
Two people: one carries it out or asks for it and says why, another one confirms; nobody does both, whatever their roles and
under whichever account: accounts of the same officer are one person. Both sign in on the page, or both use the command line: an
account and a user of the box may be the same person. A program's token places holds and isolates; it is nobody of the two. What
is done to a case (a hold, filing, re-opening) needs the right over each clip of it. How holds, isolation, filing and disposal
work is in [keeping.md](keeping.md), supervision and legal review in [supervision.md](supervision.md), recorders and the desk in
[administration.md](administration.md).

Every right has its page, and whatever a form of the page does the API does, too ([api.md](api.md)), with the same right; a test
holds the two together. Accounts and what belongs to one's own are the exception: no program signs in as a person, makes
accounts or gives out rights.

A page shows nobody a link or a button that would be refused to them: of a clip whose it is and its label decide, of a case each clip
of it. A case has a page for whoever is shown some clip of it, or may know what is known of the case itself.

It does not matter by what somebody signed in, a password, the agency's identity provider or a certificate: roles, unit and
bounds are the account's.

On the station's own command line, whoever may use the daemon's socket (the group of its file) is outside of this table; what
they do is logged with their user number. A station without accounts has no table: whoever reaches the page, on loopback
only, may do everything.
";

fn cell(action: Action, role: Role) -> String {
    let Some(right) = RIGHTS.iter().find(|r| r.action == action && r.role == role) else { return String::new() };
    let over = match right.over {
        Over::All => "all",
        Over::Unit => "unit",
        Over::Own => "own",
        Over::Sent => "sent",
    };
    let about_clips = action.is_about_a_clip() || RIGHTS.iter().any(|r| r.action == action && r.over != Over::All);
    let mut text = if about_clips { over.to_owned() } else { "yes".to_owned() };
    if right.up_to < Sensitivity::Minor {
        write!(text, ", ≤ {}", right.up_to.as_str()).unwrap();
    }
    match right.purpose {
        Purpose::Free => {}
        Purpose::Labelled => text.push_str(", *why?*"),
        Purpose::Always => text.push_str(", **why**"),
    }
    text
}

fn document() -> String {
    let (zh, en) = (Lang::Zh.words(), Lang::En.words());
    let mut text = HEAD.to_owned();
    for roles in [&Role::ALL[..5], &Role::ALL[5..]] {
        text.push_str("\n| action |");
        for role in roles {
            write!(text, " {} {} |", en.role(*role), zh.role(*role)).unwrap();
        }
        text.push_str(" two people |\n| --- |");
        text.push_str(&" --- |".repeat(roles.len() + 1));
        text.push('\n');
        let has = |action: &&Action| RIGHTS.iter().any(|r| r.action == **action && roles.contains(&r.role));
        for action in Action::ALL.iter().filter(has) {
            write!(text, "| {} {} `{}` |", en.action(*action), zh.action(*action), action.as_str()).unwrap();
            for role in roles {
                write!(text, " {} |", cell(*action, *role)).unwrap();
            }
            let people = match action.people() {
                People::One => "",
                People::TwoIfConfigured => "if configured",
                People::Two => "yes",
            };
            writeln!(text, " {people} |").unwrap();
        }
    }
    format!("{text}\n{TAIL}")
}

#[test]
fn the_printed_table_is_the_table() {
    let document = document();
    if std::env::var_os("EVIDOCK_PRINT_DOCS").is_some() {
        std::fs::write("docs/rights.md", &document).unwrap();
    }
    let printed = std::fs::read_to_string("docs/rights.md").unwrap_or_default();
    assert!(
        printed == document,
        "docs/rights.md is not what the table says: EVIDOCK_PRINT_DOCS=1 cargo test --test rights"
    );
}
