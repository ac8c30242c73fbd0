//! What a rule takes of a line: pure arithmetic, rounded half up once per line.

use crate::ids::RuleId;
use crate::money::Rate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The commission of a line, with everything needed to explain it later.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Commission {
    /// In minor units.
    pub minor: i64,
    /// The rule that was applied; none where no rule matched.
    pub rule: Option<RuleId>,
    /// The version of the rule list it was applied from.
    pub rules_version: u64,
    /// What it was taken of, in minor units.
    pub base_minor: i64,
    /// The rate, where one rate applied to all of it.
    pub rate: Option<Rate>,
    /// What had been counted in the month before this line, for a tiered rule.
    pub counted_before_minor: Option<i64>,
}
