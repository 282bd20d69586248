//! The messages that this station sends, as the section `webhooks` of its OpenAPI document: programs that take them are written
//! from it. What stands here is what `domain::webhook` and `domain::notice` make; a test compares the names.

use serde_json::{Map, Value, json};

use crate::domain::notice::kinds;
use crate::domain::webhook::DataEvent;

/// The document with its webhooks.
pub fn with_webhooks(document: utoipa::openapi::OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let mut hooks = Map::new();
    for event in DataEvent::ALL {
        hooks.insert(event.as_str().to_owned(), message(event.as_str(), event_words(*event), "EventData"));
    }
    for (kind, words) in [
        (kinds::RAISED, "An alarm stands."),
        (kinds::WORSE, "An alarm that was told matters more than before."),
        (kinds::REPEATED, "An alarm still stands, and nobody acknowledged it."),
        (kinds::ENDED, "An alarm that was told is over."),
        (kinds::TRIAL, "Nothing is wrong: `evidock alarm test` was run."),
    ] {
        hooks.insert(kind.to_owned(), message(kind, words, "AlarmData"));
    }
    document["webhooks"] = Value::Object(hooks);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.insert("EventData".to_owned(), event_schema());
        schemas.insert("AlarmData".to_owned(), alarm_schema());
    }
    document
}

fn event_words(event: DataEvent) -> &'static str {
    match event {
        DataEvent::Sealed => "A clip is in the vault, verified.",
        DataEvent::Proven => "A destination's copy of a clip was proven.",
        DataEvent::Suspect => "A destination's copy of a clip is not what was sealed.",
        DataEvent::Linked => "A clip was linked to a case.",
        DataEvent::Unlinked => "A link of a clip to a case was withdrawn.",
        DataEvent::Annotated => "Facts of a clip were set.",
        DataEvent::Isolated => "A clip is suspected classified; nothing but its id is told.",
        DataEvent::CaseChanged => {
            "A case was opened, joined with another one, sent for review, or something was said about it."
        }
        DataEvent::CaseClosed => "A case was closed.",
        DataEvent::CaseFiled => "A case was checked, signed off and filed.",
        DataEvent::CaseReopened => "A closed or filed case is open again.",
        DataEvent::HoldPlaced => "A hold stands on a clip, or on a case that has none yet; one message for each clip.",
        DataEvent::HoldReleased => "Two people released a hold; one message for each clip on which it stood.",
        DataEvent::DisposalAsked => "A list of clips was proposed for disposal after appraisal.",
        DataEvent::DisposalDecided => "A second person confirmed or refused that list.",
        DataEvent::Disposed => "Nothing of a clip is left at the station but its record.",
        DataEvent::RegisterChanged => "A register or a roster was imported, or an import taken back.",
        DataEvent::ExportFinished => "An evidence package was finished and signed.",
    }
}

fn message(kind: &str, words: &str, data: &str) -> Value {
    let header = |name: &str, words: &str| json!({ "name": name, "in": "header", "required": true, "description": words, "schema": { "type": "string" } });
    json!({ "post": {
        "summary": words,
        "operationId": kind.replace('.', "_"),
        "security": [],
        "parameters": [
            header("webhook-id", "Names the message, the same in every try: a second arrival is known by it"),
            header("webhook-timestamp", "Time of the try, seconds since the Unix epoch; refuse what is older than five minutes"),
            header("webhook-signature", "v1,BASE64 of HMAC-SHA256 over id.timestamp.body (standardwebhooks.com)"),
        ],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {
            "type": "object", "required": ["type", "timestamp", "data"],
            "properties": {
                "type": { "type": "string", "const": kind },
                "timestamp": { "type": "string", "format": "date-time", "description": "When it happened" },
                "data": { "$ref": format!("#/components/schemas/{data}") },
            },
        } } } },
        "responses": {
            "2XX": { "description": "Taken" },
            "410": { "description": "No more messages are wanted: this one is given up" },
            "default": { "description": "Tried again with growing pauses; retry-after is heeded" },
        },
    } })
}

fn text(words: &str) -> Value {
    json!({ "type": "string", "description": words })
}

fn event_schema() -> Value {
    json!({ "type": "object", "description": "Ids; more where the receiver may know more ([[webhook]] tells)",
        "required": ["station", "epoch", "seq"],
        "properties": {
            "station": text("The station"),
            "epoch": { "type": "integer", "description": "Epoch of the custody log" },
            "seq": { "type": "integer", "description": "Position of the entry in it" },
            "clip": text("Record id"),
            "case": text("Hex SHA-256 of the case key, as in object keys"),
            "destination": text("Name of the destination"),
            "package": text("Id of the evidence package"),
            "register": text("unit, officer, recorder, party, case, catalogue or roster"),
            "import": { "type": "integer", "description": "Number of the import" },
            "rev": { "type": "integer", "description": "Revision" },
            "hold": { "type": "integer", "description": "Number of the hold" },
            "disposal": { "type": "integer", "description": "Number of the list for disposal" },
            "outcome": { "type": "string", "enum": ["ok", "refused"], "description": "Of disposal.decided: what the second person said" },
            "case_no": text("tells = \"case_no\" or \"record\": the number of the case"),
            "record": { "description": "tells = \"record\": the record as it stands now", "$ref": "#/components/schemas/Record" },
        } })
}

fn alarm_schema() -> Value {
    let both = |words: &str| json!({ "type": "object", "description": words, "properties": { "zh-CN": { "type": "string" }, "en": { "type": "string" } } });
    json!({ "type": "object",
        "required": ["station", "station_name", "alarm", "code", "about", "severity", "since", "title", "action"],
        "properties": {
            "station": text("The station"),
            "station_name": text("Its name for people"),
            "alarm": { "type": "integer", "description": "Number of the alarm at this station; 0 of a trial" },
            "code": text("What, a word that never changes"),
            "about": text("A destination, bay, recorder, receiver or part; empty where it is the station"),
            "severity": { "type": "string", "enum": ["bad", "warn", "info"] },
            "since": { "type": "string", "format": "date-time" },
            "title": both("What stands"),
            "action": both("What to do next"),
        } })
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi;

    use super::*;

    #[test]
    fn every_message_is_in_the_document() {
        let document = with_webhooks(crate::web::api::Document::openapi());
        let hooks = document["webhooks"].as_object().unwrap();
        assert_eq!(hooks.len(), DataEvent::ALL.len() + 5);
        for event in DataEvent::ALL {
            assert_eq!(hooks[event.as_str()]["post"]["requestBody"]["required"], true);
        }
        assert!(document["components"]["schemas"]["EventData"].is_object());
        assert_eq!(document["openapi"], "3.1.0");
    }
}
