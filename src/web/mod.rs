//! Pages, JSON API and live events on axum. Reads through the store, asks for changes through `domain::command`.
