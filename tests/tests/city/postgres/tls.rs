//! Encrypted connections to the server: whoever asks for one gets it from the server that is meant, or none, and is told why.
//! No password is ever shown.

use super::connect;
use crate::program::{Ended, Installation};
use cityos_eventstore::database::postgres::private_server::PrivateServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

const PASSWORD: &str = "s3cret-of-the-city";

/// Somebody of this name who vouches for servers.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server for which this authority vouches under the name `localhost`.
fn server(by: &CertifiedIssuer<'static, KeyPair>) -> PrivateServer {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, by).unwrap();
    PrivateServer::with_certificate(&certificate.pem(), &key.serialize_pem())
}

/// The URL of a new database for whoever asks for an encrypted connection to this host.
fn url(server: &PrivateServer, host: &str) -> String {
    let plain = server.new_database();
    let named = plain.replace("postgres@127.0.0.1", &format!("postgres:{PASSWORD}@{host}"));
    format!("{named}?sslmode=require")
}

/// With a file of the authority's certificate, which the program is told to trust.
fn trusting(url: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> Installation {
    let at = Installation::on(url.to_owned());
    at.write("authority.pem", &authority.pem());
    at
}

const TRUSTED: [&str; 4] = ["--set", "database_ca_file=authority.pem", "--set", "log_level=trace"];

fn refused(at: &Installation) -> String {
    let Ended { code, said, complained } =
        at.run(&[&["serve", "--set", "bind=127.0.0.1:0"], &TRUSTED[..]].concat());
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains(PASSWORD) && !complained.contains(PASSWORD), "{complained}");
    complained
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_the_authority_vouches_for_is_reached_encrypted_and_the_password_is_never_told() {
    let authority = authority("ours");
    let server = server(&authority);
    let url = url(&server, "localhost");
    let at = trusting(&url, &authority);
    let serving = at.serve(&[&["--sample"], &TRUSTED[..]].concat());
    assert_eq!(serving.get("/health").await.0, 200);
    let administrator = connect(&(server.url("postgres", "postgres") + "?sslmode=disable")).await;
    let connections = "SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl
        JOIN pg_stat_activity USING (pid) WHERE application_name = 'cityos' AND pid <> pg_backend_pid()";
    let connections = administrator.query_one(connections, &[]).await.unwrap();
    assert!(connections.get::<_, i64>(0) > 0 && connections.get::<_, i64>(1) == 0, "{connections:?}");
    let settings = at.run(&[&["settings"], &TRUSTED[..]].concat());
    assert!(serving.interrupt().success());
    let log = at.read("server.log");
    for told in [&log, &settings.said, &settings.complained] {
        assert!(!told.contains(PASSWORD), "{told}");
    }
    assert!(log.contains("cityos"), "{log}");
}

#[test]
fn a_server_that_another_authority_vouches_for_is_refused() {
    let server = server(&authority("theirs"));
    let encrypted = url(&server, "localhost");
    // Who does not say is encrypted where the server can, and then as careful.
    let unsaid = encrypted.replace("?sslmode=require", "");
    for url in [&encrypted, &unsaid] {
        let complained = refused(&trusting(url, &authority("ours")));
        assert!(complained.contains("invalid peer certificate: UnknownIssuer"), "{complained}");
    }
}

#[test]
fn a_server_under_another_name_than_its_certificate_has_is_refused() {
    let authority = authority("ours");
    let server = server(&authority);
    let complained = refused(&trusting(&url(&server, "127.0.0.1"), &authority));
    assert!(complained.contains("certificate not valid for name \"127.0.0.1\""), "{complained}");
}

#[test]
fn a_server_without_encryption_is_refused() {
    let complained = refused(&trusting(&url(PrivateServer::shared(), "localhost"), &authority("ours")));
    assert!(complained.contains("server does not support TLS"), "{complained}");
}
