//! A city on a PostgreSQL server, as whoever runs it meets it: several processes, a server that goes away, logins with few
//! rights, programs that start together or are too old, a city that is moved there and back, or to another server.

mod away;
mod dumped;
mod fleet;
mod moving;
mod processes;
mod rights;
mod starting;
mod tls;

use cityos_eventstore::database::postgres::private_server::PrivateServer;
use cityos_eventstore::database::postgres::{Limits, Server};
use tokio_postgres::Client;

/// What an administrator runs in every database of a city.
const ROLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/roles.postgres.sql");

/// The databases of a city: of log and read models, and of the keys.
struct Databases<'s> {
    server: &'s PrivateServer,
    city: String,
    keys: String,
}

impl<'s> Databases<'s> {
    /// Made by an administrator as the runbook says; no program has made any tables in them.
    fn made_in(server: &'s PrivateServer) -> Self {
        let city = server.new_city().database().to_owned();
        let keys = format!("{city}_keys");
        let port = server.port().to_string();
        server.program("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "postgres", &keys]);
        for database in [&city, &keys] {
            let url = server.url("postgres", database);
            server.program("psql", &["-q", "-v", "ON_ERROR_STOP=1", "-d", &url, "-f", ROLES]);
        }
        Databases { server, city, keys }
    }

    /// The URL of the city's for the administrator.
    fn url(&self) -> String {
        self.server.url("postgres", &self.city)
    }
}

/// A connection of whoever the URL names.
async fn connect(url: &str) -> Client {
    Server::new(url, None, Limits::default()).unwrap().connect(None).await.unwrap()
}
