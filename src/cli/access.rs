//! Of who may sign in to the page, and of the programs that use the API.

use clap::{Args, Subcommand};

/// `user`
#[derive(Debug, Clone, Subcommand)]
pub enum User {
    /// Make the first account, a security administrator; from then on the page asks everybody to sign in
    First {
        /// Name to sign in with
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Make an account; its first password is printed once
    Add {
        /// Name to sign in with
        #[arg(value_name = "NAME")]
        name: String,
        /// officer, department_head, supervisor, legal_reviewer, archivist, auditor, system_administrator or
        /// security_administrator; several separated by commas
        #[arg(long = "role", value_name = "ROLE", required = true, value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        /// What the account is.
        facts: UserFacts,
    },
    /// Change roles or facts of an account; what is not given stays, an empty text takes it away
    Change {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Its roles from now on
        #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
        roles: Vec<String>,
        #[command(flatten)]
        /// What the account is.
        facts: UserFacts,
    },
    /// Show every account
    List,
    /// End every session of an account and let nobody sign in with it
    Disable {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Let a disabled account sign in again
    Enable {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End the lock after wrong passwords
    Unlock {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Print a new password for the next sign-in, once; ends every session
    Password {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Switch one-time codes off, too: the telephone is lost
        #[arg(long)]
        without_codes: bool,
    },
    /// Show the sessions of an account
    Sessions {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// End a session of an account, or all of them
    SignOut {
        /// Whose
        #[arg(value_name = "NAME")]
        name: String,
        /// Only this one, as `user sessions` shows it
        #[arg(long, value_name = "SESSION")]
        session: Option<String>,
    },
}

/// What an account is besides its roles.
#[derive(Debug, Clone, Args)]
pub struct UserFacts {
    /// Name for people
    #[arg(long)]
    pub label: Option<String>,
    /// Unit (部门); a head of department sees what its officers recorded
    #[arg(long)]
    pub unit: Option<String>,
    /// Names and numbers under which this person stands in records as officer, separated by commas
    #[arg(long)]
    pub officer: Option<String>,
    /// The last day on which it may be used, as 2026-12-31
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Who this person is at the identity provider of [access.oidc]: they may sign in there
    #[arg(long, value_name = "SUBJECT")]
    pub oidc_subject: Option<String>,
    /// SHA-256 fingerprints of certificates of this person, separated by commas: they may sign in with them
    #[arg(long, value_name = "FINGERPRINT")]
    pub certificate: Option<String>,
}

/// `token`
#[derive(Debug, Clone, Subcommand)]
pub enum Token {
    /// Make a token; it is printed once
    Add {
        /// What it is for
        #[arg(value_name = "NAME")]
        name: String,
        /// The role with which it acts
        #[arg(long)]
        role: String,
        /// What it may do of that, as list_clips or read_metrics; several separated by commas [default: all of the role's]
        #[arg(long = "scope", value_name = "ACTION", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days for which it holds
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Show every token
    List,
    /// End a token
    End {
        /// Its number, as `token list` shows it
        #[arg(value_name = "TOKEN")]
        token: i64,
    },
}
