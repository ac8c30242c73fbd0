//! Who lives, as one process sees it, and how the work is shared out among them.

use std::collections::BTreeSet;
use std::fmt;
use uuid::Uuid;

/// What a process does for its city.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Duty {
    /// Serves the API.
    Api,
    /// Moves the read models, and keeps the log's evidence.
    Projector,
    /// Drives the sagas, and keeps house.
    Saga,
}

impl Duty {
    /// All of them.
    pub const ALL: [Duty; 3] = [Duty::Api, Duty::Projector, Duty::Saga];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Duty::Api => "api",
            Duty::Projector => "projector",
            Duty::Saga => "saga",
        }
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A process that lives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Member {
    pub(super) id: Uuid,
    pub(super) duties: BTreeSet<Duty>,
    /// What its program knows: processes of several versions do not share their work with each other.
    pub(super) edition: Uuid,
}

/// Who lives, as one process sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    pub(super) own: Member,
    /// By id.
    pub(super) others: Vec<Member>,
}

impl View {
    /// Of a process with these duties that sees nobody else.
    pub fn alone(duties: impl IntoIterator<Item = Duty>) -> Self {
        View::of(duties, Uuid::nil())
    }

    /// The same of a program that knows what `edition` stands for.
    pub(super) fn of(duties: impl IntoIterator<Item = Duty>, edition: Uuid) -> Self {
        let own = Member { id: Uuid::new_v4(), duties: duties.into_iter().collect(), edition };
        View { own, others: Vec::new() }
    }

    /// Whether this process has the duty at all.
    pub fn has(&self, duty: Duty) -> bool {
        self.own.duties.contains(&duty)
    }

    /// Whether somebody else has the duty.
    pub fn others_have(&self, duty: Duty) -> bool {
        self.others.iter().any(|other| other.duties.contains(&duty))
    }

    /// Whether another version of the program has the duty, too: it may know what this one does not.
    pub fn other_editions_have(&self, duty: Duty) -> bool {
        self.others.iter().any(|other| other.edition != self.own.edition && other.duties.contains(&duty))
    }

    /// Whether it is for this process to do what `share` names. Of those of one edition who have the duty, everybody finds the
    /// same one where they see the same members; when one comes or goes, only the shares it gets or had move.
    pub fn is_mine(&self, duty: Duty, share: impl AsRef<[u8]>) -> bool {
        let share = share.as_ref();
        let own = rank(&self.own, share);
        let alike = |other: &&Member| other.edition == self.own.edition && other.duties.contains(&duty);
        let mut rivals = self.others.iter().filter(alike);
        self.has(duty) && rivals.all(|other| rank(other, share) < own)
    }
}

/// The greatest has the share (rendezvous hashing).
fn rank(member: &Member, share: &[u8]) -> ([u8; 32], Uuid) {
    let mut hasher = blake3::Hasher::new();
    hasher.update(member.id.as_bytes()).update(share);
    (*hasher.finalize().as_bytes(), member.id)
}
