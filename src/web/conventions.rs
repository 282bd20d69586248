//! What holds for every operation of the API, written into its document in one place: errors are problems
//! (`application/problem+json`), every change takes an `Idempotency-Key`, and whatever is not told may be a problem, too.

use serde_json::{Map, Value, json};

use super::repeat::{KEY_CHARS, KEY_HEADER, key_pattern};
use super::routes::{Declared, Need};

const PROBLEM: &str = "#/components/schemas/Problem";
const CHANGES: [&str; 4] = ["post", "put", "patch", "delete"];

/// Dresses the document; `declared` says which operations need nobody to be signed in.
pub fn dress(document: &mut Value, declared: &[Declared]) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let Some(operation) = operation.as_object_mut() else { continue };
            dress_operation(path, method, operation);
            let open = |r: &&Declared| r.path == path && r.method.eq_ignore_ascii_case(method);
            if declared.iter().find(open).is_some_and(|r| r.need == Need::Anyone) {
                operation.insert("security".into(), json!([]));
            }
        }
    }
}

fn dress_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for response in responses.as_object_mut().into_iter().flatten().map(|(_, r)| r) {
        let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { continue };
        if content.get("application/json").is_some_and(|c| c["schema"]["$ref"] == PROBLEM)
            && let Some(problem) = content.remove("application/json")
        {
            content.insert("application/problem+json".into(), problem);
        }
    }
    // Bytes are bytes, and no list of numbers (OpenAPI 3.1: no schema).
    if let Some(bytes) = operation.get_mut("requestBody").and_then(|b| b["content"].get_mut("application/octet-stream"))
    {
        *bytes = json!({});
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    responses["default"] = json!({
        "description": "What else may be wrong: nobody signed in (401), no right to it (403), too often (429), our fault (5xx)",
        "content": { "application/problem+json": { "schema": { "$ref": PROBLEM } } },
    });
    if path.starts_with("/api/") && CHANGES.contains(&method) {
        let key = json!({
            "name": KEY_HEADER.as_str(),
            "in": "header",
            "description": "Asked again under the same key, the change is not made again: the first answer comes back, with \
                            `idempotency-replayed: true`. The same key for another change is refused.",
            "required": false,
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_CHARS + 2, "pattern": key_pattern() },
        });
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        if let Some(parameters) = parameters.as_array_mut() {
            parameters.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_for_all_is_told_of_each() {
        let problem = json!({ "content": { "application/json": { "schema": { "$ref": PROBLEM } } } });
        let mut document = json!({ "paths": {
            "/api/v1/x": { "post": { "responses": { "422": problem } }, "get": { "responses": {} } },
            "/healthz": { "get": { "responses": { "200": {} } } },
        } });
        let open = Declared { method: "GET", path: "/healthz", need: Need::Anyone };
        dress(&mut document, &[open]);
        let post = &document["paths"]["/api/v1/x"]["post"];
        assert!(post["responses"]["422"]["content"]["application/problem+json"].is_object());
        assert!(post["responses"]["422"]["content"]["application/json"].is_null());
        assert_eq!(post["parameters"][0]["name"], "idempotency-key");
        assert!(document["paths"]["/api/v1/x"]["get"]["parameters"].is_null());
        assert!(document["paths"]["/api/v1/x"]["get"]["responses"]["default"].is_object());
        assert_eq!(document["paths"]["/healthz"]["get"]["security"], json!([]));
        assert!(post["security"].is_null(), "what the document says of all of them holds");
    }
}
