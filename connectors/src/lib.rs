//! The outside systems CityOS talks to, one folder each: the only place that knows a system's wire format. So far
//! there is the sandbox, which stands in for providers of payments and transfers.

pub mod sandbox;
