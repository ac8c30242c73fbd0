//! The proof that an order happened: every event of its streams, each with its way to the root of a signed checkpoint. Who
//! has the file and the public key needs nothing else to check it.

use cityos_domain::aggregate::Aggregate;
use cityos_domain::event::Event;
use cityos_domain::ids::{OrderId, TenantId};
use cityos_domain::log::{Envelope, Partition, Position, StreamId, Version};
use cityos_domain::orders::order::{self, Order, payment_id};
use cityos_domain::orders::payment::Payment;
use cityos_domain::orders::vendor_order::VendorOrder;
use cityos_eventstore::evidence::{
    Checkpoint, Evidence, EvidenceError, Hash, Inclusion, NoteError, PublicKey, is_consistent,
};
use cityos_eventstore::store::{EventStore, StoreError};
use cityos_eventstore::stored::StoredEvent;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the file is.
const FORMAT: &str = "cityos-order-proof/1";

/// Events read at a time of one stream.
const READ_LIMIT: u32 = 1_000;

/// The file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderProof {
    format: String,
    /// Whose order.
    pub tenant: TenantId,
    /// Which.
    pub order: OrderId,
    /// The signed note that everything leads to.
    checkpoint: String,
    /// That it goes on from an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Since>,
    events: Vec<Inclusion>,
}

/// An older checkpoint, and that the newer goes on from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    checkpoint: String,
    path: Vec<Hash>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// The log does not know it.
    #[error("tenant {tenant} has no order {order}")]
    Unknown {
        /// Whose it should be.
        tenant: TenantId,
        /// Which is looked for.
        order: OrderId,
    },
    /// The older checkpoint is none of this log.
    #[error("the older checkpoint")]
    Since(#[source] NoteError),
    /// Log and evidence say something else.
    #[error("proving what the log has of it")]
    Evidence(#[from] EvidenceError),
    /// The log could not be read.
    #[error("reading the log")]
    Store(#[from] StoreError),
}

/// What a proof proves.
#[derive(Clone, PartialEq, Debug)]
pub struct Proven {
    /// Whose order.
    pub tenant: TenantId,
    /// Which.
    pub order: OrderId,
    /// What its events are proven to be in.
    pub checkpoint: Checkpoint,
    /// An older checkpoint that it goes on from.
    pub since: Option<Checkpoint>,
    /// The events, in the order of the log.
    pub events: Vec<Envelope>,
}

/// Why a file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is something else.
    #[error("this is no proof of an order")]
    Malformed(#[source] serde_json::Error),
    /// A newer program, or something else, wrote it.
    #[error("the format is `{0}`, and this program knows `{FORMAT}`")]
    Format(String),
    /// The same could be written differently, and is.
    #[error("the file is not written the way `cityos audit prove` writes it: something was altered")]
    Rewritten,
    /// The checkpoint is not this log's.
    #[error("the checkpoint")]
    Checkpoint(#[source] NoteError),
    /// The older checkpoint is not this log's.
    #[error("the older checkpoint")]
    Since(#[source] NoteError),
    /// It is not what the newer one goes on from.
    #[error("the log does not go on from the older checkpoint")]
    Inconsistent,
    /// An event's way does not lead to the signed root.
    #[error("the event at position {0} is not in the log that was signed, or was altered")]
    NotIncluded(u64),
    /// An event is not of this order.
    #[error("the event at position {0} is none of this order")]
    Stranger(u64),
    /// A stream has a gap.
    #[error("the event before the one at position {0} is missing")]
    Gap(u64),
    /// One of its streams is not there.
    #[error("no event of {0} is there")]
    StreamMissing(StreamId),
    /// This program does not know what it means.
    #[error("the event at position {position} cannot be understood")]
    Undecodable {
        /// Where it is.
        position: u64,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl OrderProof {
    /// Collects everything the log has of an order, and proves it. `since` is the note of an older checkpoint.
    pub async fn make(
        log: &dyn EventStore,
        evidence: &Evidence,
        key: &PublicKey,
        (tenant, order): (TenantId, OrderId),
        since: Option<String>,
    ) -> Result<Self, NoProof> {
        let of_order = events_of(log, Order::stream(Partition::Tenant(tenant), order)).await?;
        if of_order.is_empty() {
            return Err(NoProof::Unknown { tenant, order });
        }
        let mut all = of_order.clone();
        for stream in streams_beside(tenant, order, &of_order) {
            all.extend(events_of(log, stream).await?);
        }
        all.sort_by_key(|event| event.position);
        let older =
            since.as_ref().map(|note| Checkpoint::open(note, key)).transpose().map_err(NoProof::Since)?;
        let mut stored = Vec::with_capacity(all.len());
        for event in all {
            stored.extend(log.read_stored(Position(event.position.0.saturating_sub(1)), 1).await?);
        }
        let proofs = evidence.prove(stored, older).await?;
        let since = since.map(|checkpoint| Since { checkpoint, path: proofs.consistency });
        Ok(OrderProof {
            format: FORMAT.into(),
            tenant,
            order,
            checkpoint: proofs.signature.note,
            since,
            events: proofs.inclusions,
        })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a proof is JSON") + "\n"
    }

    /// Checks what is in a file. What is proven is true if the public key is the log's.
    pub fn check(file: &[u8], key: &PublicKey) -> Result<Proven, Refused> {
        let proof: OrderProof = serde_json::from_slice(file).map_err(Refused::Malformed)?;
        if proof.format != FORMAT {
            return Err(Refused::Format(proof.format));
        }
        if proof.text().as_bytes() != file {
            return Err(Refused::Rewritten);
        }
        let checkpoint = open_alone(&proof.checkpoint, key).map_err(Refused::Checkpoint)?;
        let since = proof.check_since(&checkpoint, key)?;
        let mut events = Vec::with_capacity(proof.events.len());
        for inclusion in &proof.events {
            let position = inclusion.event.position.0;
            if !inclusion.holds_in(&checkpoint) {
                return Err(Refused::NotIncluded(position));
            }
            events.push(understood(&inclusion.event)?);
        }
        whole(proof.tenant, proof.order, &events)?;
        Ok(Proven { tenant: proof.tenant, order: proof.order, checkpoint, since, events })
    }

    fn check_since(&self, checkpoint: &Checkpoint, key: &PublicKey) -> Result<Option<Checkpoint>, Refused> {
        let Some(Since { checkpoint: note, path }) = &self.since else { return Ok(None) };
        let older = open_alone(note, key).map_err(Refused::Since)?;
        match is_consistent(older.size, older.root, checkpoint.size, checkpoint.root, path) {
            true => Ok(Some(older)),
            false => Err(Refused::Inconsistent),
        }
    }
}

/// A checkpoint with nothing but this key's signature on it: what others sign below could be altered unseen.
fn open_alone(note: &str, key: &PublicKey) -> Result<Checkpoint, NoteError> {
    let checkpoint = Checkpoint::open(note, key)?;
    match note.lines().count() {
        5 => Ok(checkpoint),
        _ => Err(NoteError::Malformed),
    }
}

fn understood(event: &StoredEvent) -> Result<Envelope, Refused> {
    event.decode().map_err(|source| Refused::Undecodable { position: event.position.0, source })
}

/// Checks that these are events of the order, of each of its streams, from the first on and in the log's order.
fn whole(tenant: TenantId, order: OrderId, events: &[Envelope]) -> Result<(), Refused> {
    let own = Order::stream(Partition::Tenant(tenant), order);
    let of_order: Vec<_> = events.iter().filter(|event| event.stream == own).cloned().collect();
    let streams: BTreeSet<_> = [own].into_iter().chain(streams_beside(tenant, order, &of_order)).collect();
    let mut versions: BTreeMap<StreamId, Version> = BTreeMap::new();
    let mut last = Position::START;
    for event in events {
        let position = event.position.0;
        let version = versions.entry(event.stream).or_default();
        version.0 += 1;
        if !streams.contains(&event.stream) {
            return Err(Refused::Stranger(position));
        }
        if event.version != *version || event.position <= last {
            return Err(Refused::Gap(position));
        }
        last = event.position;
    }
    match streams.into_iter().find(|stream| !versions.contains_key(stream)) {
        Some(missing) => Err(Refused::StreamMissing(missing)),
        None => Ok(()),
    }
}

/// The streams beside its own that an order has once it is placed: its payment and its vendors' parts.
fn streams_beside(tenant: TenantId, order: OrderId, of_order: &[Envelope]) -> Vec<StreamId> {
    let partition = Partition::Tenant(tenant);
    let mut streams = Vec::new();
    for event in of_order {
        if let Event::Order(order::Event::Placed { parts, .. }) = &event.event {
            streams.push(Payment::stream(partition, payment_id(order)));
            streams.extend(parts.iter().map(|part| VendorOrder::stream(partition, part.id)));
        }
    }
    streams
}

async fn events_of(log: &dyn EventStore, stream: StreamId) -> Result<Vec<Envelope>, StoreError> {
    let mut events: Vec<Envelope> = Vec::new();
    loop {
        let after = events.last().map_or(Version(0), |event| event.version);
        let page = log.read(stream, after, READ_LIMIT).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}
