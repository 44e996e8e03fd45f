//! What the trail can say was done.

/// What was done, of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A user was added.
    UserAdded,
    /// An import replaced a user.
    UserReplaced,
    /// A password was set.
    PasswordSet,
    /// A password was taken away.
    PasswordRemoved,
    /// A password stayed, and its hash was made anew.
    PasswordHashed,
    /// A user may not sign in any more.
    UserDisabled,
    /// A user may sign in again.
    UserEnabled,
    /// Someone was not let in, perhaps several times.
    SignInRefused,
    /// A user signed in.
    SessionStarted,
    /// A session ended, or several.
    SessionEnded,
    /// A refresh token was used again, so its session ended.
    SessionReused,
    /// A client was added.
    ClientAdded,
    /// A client gets no tokens any more.
    ClientDisabled,
    /// A client gets tokens again.
    ClientEnabled,
    /// A client has another secret, or none.
    ClientSecretSet,
    /// A signing key was made.
    KeyAdded,
    /// The times of a signing key were changed.
    KeyChanged,
    /// A signing key is gone.
    KeyRemoved,
    /// Tokens were revoked.
    RevocationAdded,
    /// A revocation was taken back.
    RevocationRemoved,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 20] = [
        Self::UserAdded,
        Self::UserReplaced,
        Self::PasswordSet,
        Self::PasswordRemoved,
        Self::PasswordHashed,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::SignInRefused,
        Self::SessionStarted,
        Self::SessionEnded,
        Self::SessionReused,
        Self::ClientAdded,
        Self::ClientDisabled,
        Self::ClientEnabled,
        Self::ClientSecretSet,
        Self::KeyAdded,
        Self::KeyChanged,
        Self::KeyRemoved,
        Self::RevocationAdded,
        Self::RevocationRemoved,
    ];

    /// As the store and the log have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserAdded => "user.added",
            Self::UserReplaced => "user.replaced",
            Self::PasswordSet => "user.password_set",
            Self::PasswordRemoved => "user.password_removed",
            Self::PasswordHashed => "user.password_hashed",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::SignInRefused => "sign_in.refused",
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::SessionReused => "session.reused",
            Self::ClientAdded => "client.added",
            Self::ClientDisabled => "client.disabled",
            Self::ClientEnabled => "client.enabled",
            Self::ClientSecretSet => "client.secret_set",
            Self::KeyAdded => "key.added",
            Self::KeyChanged => "key.changed",
            Self::KeyRemoved => "key.removed",
            Self::RevocationAdded => "revocation.added",
            Self::RevocationRemoved => "revocation.removed",
        }
    }
}
