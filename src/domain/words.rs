//! Every word that people read, in both languages, from one catalogue.
