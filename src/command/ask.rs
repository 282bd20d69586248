//! Verbs that ask the running daemon for one thing: link, unlink, annotate, retry, push, pause, resume, checkpoint.

use anyhow::Context;
use serde_json::Value;

use super::exit::Exit;
use super::output::Output;
use super::{Ended, control};
use crate::cli::Verb;
use crate::config::Settings;
use crate::domain::command::{Reply, Request};

/// Carries out a verb that is one request.
pub fn ask(verb: &Verb, settings: &Settings, output: &Output) -> anyhow::Result<Exit> {
    let answer = request(settings, &to_request(verb)?)?;
    if output.is_json() {
        output.json(&answer)?;
    } else {
        output.line(&words(verb, &answer))?;
    }
    Ok(Exit::Ok)
}

/// Asks the daemon; a refusal and an absent daemon end the verb with their exit codes.
pub fn request(settings: &Settings, request: &Request) -> anyhow::Result<Value> {
    answered(settings, control::ask(&settings.control_socket, request))
}

/// What the daemon answered, or why the verb ends.
pub(super) fn answered(settings: &Settings, reply: std::io::Result<Option<Reply>>) -> anyhow::Result<Value> {
    let path = &settings.control_socket;
    match reply.with_context(|| format!("asking the daemon at {}", path.display()))? {
        Some(Reply::Done(answer)) => Ok(answer),
        Some(Reply::Refused { code, message, why }) => {
            let exit = if code == "not_found" { Exit::NotFound } else { Exit::Failure };
            Err(Ended { exit, words: message, why }.into())
        }
        None => Err(Ended::with(
            Exit::Unreachable,
            format!(
                "no daemon answers at {}; start it with `evidock run` (or systemctl start evidock) and try again",
                path.display()
            ),
        )),
    }
}

fn to_request(verb: &Verb) -> anyhow::Result<Request> {
    Ok(match verb {
        Verb::Link(l) => Request::Link {
            clip: l.clip.clone(),
            case_no: l.case_no.clone(),
            from_ms: l.from,
            to_ms: l.to,
            stage: l.stage.clone(),
            matter: l.matter.clone(),
            proves: l.proves.clone(),
        },
        Verb::Unlink(u) => {
            Request::Unlink { clip: u.clip.clone(), case_no: u.case_no.clone(), reason: u.reason.clone() }
        }
        Verb::Annotate(a) => Request::Annotate {
            clip: a.clip.clone(),
            fields: a.facts.iter().map(|(field, value)| (field.as_str().to_owned(), value.clone())).collect(),
        },
        Verb::Retry { destination } => Request::Retry { destination: destination.clone() },
        Verb::Push(push) => Request::Push { clip: push.clip.clone(), case_no: push.case_no.clone() },
        Verb::Pause { destination, until } => {
            Request::PauseSending { destination: destination.clone(), until: until.clone() }
        }
        Verb::Resume { destination } => Request::ResumeSending { destination: destination.clone() },
        Verb::Checkpoint => Request::Checkpoint,
        other => anyhow::bail!("{other:?} is not one request"),
    })
}

fn words(verb: &Verb, answer: &Value) -> String {
    let text = |key: &str| answer[key].as_str().map(str::to_owned).unwrap_or_else(|| answer[key].to_string());
    match verb {
        Verb::Link(_) => format!("{} is linked to {} (revision {})", text("clip"), text("case_no"), answer["rev"]),
        Verb::Unlink(_) => format!("the link of {} is withdrawn (revision {})", text("clip"), answer["rev"]),
        Verb::Annotate(_) => format!("{}: facts changed: {}", text("clip"), answer["changed"]),
        Verb::Retry { .. } => format!("{} deliveries are tried again now", answer["deliveries"]),
        Verb::Push(_) => format!("{} clips go first from now on", answer["clips"]),
        Verb::Pause { .. } => {
            let to = answer["destination"].as_str().unwrap_or("every destination");
            let until =
                answer["until"].as_str().map_or("until `evidock resume`".to_owned(), |at| format!("until {at}"));
            format!("no footage goes to {to} {until}; parts that are under way come to their end")
        }
        Verb::Resume { .. } => {
            format!("footage goes to {} again", answer["destination"].as_str().unwrap_or("every destination"))
        }
        _ => text("note"),
    }
}
