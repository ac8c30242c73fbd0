//! Every read model there is.

use crate::model::{AnyModel, Erased};

macro_rules! models {
    ($($module:ident: $model:ident;)*) => {
        $(pub mod $module;)*

        /// All of them.
        pub const REGISTRY: &[&dyn AnyModel] = &[$(&Erased::<$module::$model>::new()),*];
    };
}

models! {
    vendors: Vendors;
}
