//! Products, and the tree of categories they are in.

use super::*;
use crate::marketplace::product_category::{self, CreateCategory, DEPTH_MAX, ancestors};
use crate::rehearsal::scene::{code, slug, text};
use crate::rehearsal::{City, id};
use crate::workspace::Tell;

fn create(name: &str, category: Option<&str>) -> CreateProduct {
    let (code, title) = (code(name), text(name));
    CreateProduct { id: id(name), code, title, category: category.map(id), weight_g: Some(300) }
}

fn category(name: &str, parent: Option<&str>) -> CreateCategory {
    CreateCategory { id: id(name), parent: parent.map(id), slug: slug(name), name: text(name) }
}

fn tell_category(name: &str, command: product_category::Command) -> Tell<ProductCategory> {
    Tell { id: id(name), command }
}

fn archive_category(name: &str) -> Tell<ProductCategory> {
    tell_category(name, product_category::Command::Archive)
}

fn tell(name: &str, command: Command) -> Tell<Product> {
    Tell { id: id(name), command }
}

#[test]
fn a_product_goes_into_a_category_that_takes_more_or_into_none() {
    let mut city = City::market();
    city.must(&category("lamps", None)).must(&category("old", None)).must(&archive_category("old"));
    assert_eq!(city.refusal(&create("lamp", Some("old"))), "PRODUCT_CATEGORY_ARCHIVED");
    assert_eq!(city.refusal(&create("lamp", Some("nowhere"))), "PRODUCT_CATEGORY_UNKNOWN");
    city.must(&create("lamp", Some("lamps"))).must(&create("thing", None));

    let put = |category: Option<&str>| RecategoriseProduct { id: id("lamp"), category: category.map(id) };
    assert_eq!(city.refusal(&put(Some("old"))), "PRODUCT_CATEGORY_ARCHIVED");
    assert_eq!(city.when(&put(Some("lamps"))), Ok(Vec::new()), "already so");
    city.must(&put(None));
    assert_eq!(city.state::<Product>(id("lamp")).known().unwrap().category, None);
}

#[test]
fn a_products_code_is_its_own_and_its_weight_is_possible() {
    let mut city = City::market();
    let (lamp, mut twin) = (create("lamp", None), create("twin", None));
    twin.code = code("lamp");
    let results = city.race(&[&lamp, &twin]);
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(Stop::Rejected(no)) if no.code == "PRODUCT_CODE_TAKEN"));
    assert_eq!(city.refusal(&lamp), "PRODUCT_EXISTS");
    let mut heavy = create("heavy", None);
    heavy.weight_g = Some(WEIGHT_G_MAX + 1);
    assert_eq!(city.refusal(&heavy), "PRODUCT_WEIGHT_OUTSIDE_LIMITS");
}

#[test]
fn an_archived_product_stays_as_it_was() {
    let mut city = City::market();
    let retitle = |title: &str| tell("lamp", Command::Retitle { title: text(title) });
    assert_eq!(city.refusal(&retitle("Lamp")), "PRODUCT_UNKNOWN");
    assert_eq!(city.refusal(&tell("lamp", Command::Archive)), "PRODUCT_UNKNOWN");
    city.must(&create("lamp", None)).must(&retitle("Lamp"));
    assert_eq!(city.when(&retitle("Lamp")), Ok(Vec::new()), "already so");
    city.must(&tell("lamp", Command::Archive));
    assert_eq!(city.when(&tell("lamp", Command::Archive)), Ok(Vec::new()), "already so");
    assert_eq!(city.refusal(&retitle("Other")), "PRODUCT_ARCHIVED");
    assert_eq!(city.refusal(&RecategoriseProduct { id: id("lamp"), category: None }), "PRODUCT_ARCHIVED");
}

#[test]
fn a_category_lies_below_one_that_takes_more_and_not_too_deep() {
    let mut city = City::market();
    assert_eq!(city.refusal(&category("desk", Some("nowhere"))), "PRODUCT_CATEGORY_UNKNOWN");
    city.must(&category("level-1", None));
    for level in 2..=DEPTH_MAX {
        city.must(&category(&format!("level-{level}"), Some(&format!("level-{}", level - 1))));
    }
    let deepest = format!("level-{DEPTH_MAX}");
    assert_eq!(city.refusal(&category("deeper", Some(&deepest))), "PRODUCT_CATEGORY_TOO_DEEP");
    city.must(&archive_category("level-2"));
    assert_eq!(city.refusal(&category("desk", Some("level-2"))), "PRODUCT_CATEGORY_ARCHIVED");
}

#[test]
fn a_categorys_slug_is_unique_below_its_parent() {
    let mut city = City::market();
    city.must(&category("lamps", None));
    let mut twin = category("twin", None);
    twin.slug = slug("lamps");
    assert_eq!(city.refusal(&twin), "PRODUCT_CATEGORY_SLUG_TAKEN");
    twin.parent = Some(id("lamps"));
    city.must(&twin);
    assert_eq!(city.refusal(&category("lamps", None)), "PRODUCT_CATEGORY_EXISTS");
}

#[test]
fn an_archived_category_keeps_its_name_and_its_place() {
    let mut city = City::market();
    city.must(&category("lamps", None)).must(&category("desk", Some("lamps")));
    let rename = |name: &str| tell_category("lamps", product_category::Command::Rename { name: text(name) });
    city.must(&rename("Lights"));
    assert_eq!(city.when(&rename("Lights")), Ok(Vec::new()), "already so");
    city.must(&archive_category("lamps"));
    assert_eq!(city.when(&archive_category("lamps")), Ok(Vec::new()), "already so");
    assert_eq!(city.refusal(&rename("Lamps")), "PRODUCT_CATEGORY_ARCHIVED");
    assert_eq!(city.refusal(&archive_category("nowhere")), "PRODUCT_CATEGORY_UNKNOWN");
    city.must(&PathIs { of: id("desk"), path: vec![id("desk"), id("lamps")] });
}

/// Stands for anything that asks where a category lies.
struct PathIs {
    of: ProductCategoryId,
    path: Vec<ProductCategoryId>,
}

impl Intention for PathIs {
    fn decide(&self, city: &mut Workspace) -> Result<(), Stop> {
        assert_eq!(ancestors(city, self.of)?, self.path);
        Ok(())
    }
}
