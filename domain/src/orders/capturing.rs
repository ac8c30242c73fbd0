//! Taking the money for a part: payment, part and ledger say so in one append.

use super::canceling::expire;
use super::earning::release_if_due;
use super::payment::{Command as Pay, Payment};
use super::vendor_order::{Command, VendorOrder};
use crate::foundation::tenant;
use crate::ids::VendorOrderId;
use crate::ledger::posting::post;
use crate::ledger::transactions;
use crate::workspace::{Intention, Stop, Workspace};

/// Records that all that is left of a part was captured. Captured already: nothing happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordCapture {
    /// Which part.
    pub part: VendorOrderId,
    /// How much the provider took: what the part comes to, or the record is refused.
    pub minor: i64,
    /// The provider's reference of the capture.
    pub reference: String,
}

impl Intention for RecordCapture {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        let date = tenant::today(city)?;
        let before = city.see::<VendorOrder>(self.part)?;
        let RecordCapture { part: id, minor, reference } = self;
        let capture = Command::Capture { reference: reference.clone(), minor: *minor, date };
        city.send::<VendorOrder>(*id, &capture)?;
        let part = before.known()?;
        if part.is_captured() {
            return Ok(());
        }
        let capture = Pay::Capture { part: *id, minor: *minor, reference: reference.clone() };
        city.send::<Payment>(part.payment, &capture)?;
        let transaction = transactions::captured(part.belongs.order, self.part, date, &part.totals);
        post(city, part.belongs.ledger(), transaction)?;
        release_if_due(city, self.part)
    }
}

/// Records that the money for a part could not be taken. It may still be captured later, unless its authorisation has
/// run out meanwhile: then what is not shipped is canceled. May be repeated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordCaptureFailure {
    /// Which part.
    pub part: VendorOrderId,
    /// Why.
    pub reason: String,
}

impl Intention for RecordCaptureFailure {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        city.send::<VendorOrder>(self.part, &Command::FailCapture { reason: self.reason.clone() })?;
        let payment = city.see::<VendorOrder>(self.part)?.known()?.payment;
        if city.see::<Payment>(payment)?.held()?.expired { expire(city, self.part) } else { Ok(()) }
    }
}
