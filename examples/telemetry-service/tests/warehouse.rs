//! The handler that the README shows, with a list in the place of the storage.

use std::sync::Mutex;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use telemetry_service::handler::{Fate, Handler, Received};

#[derive(Default)]
struct Warehouse {
    rows: Mutex<Vec<Value>>,
}

impl Warehouse {
    fn insert(&self, batch: &[Received<'_>]) -> Result<()> {
        ensure!(batch.iter().all(|event| !event.id().is_empty()), "an event without an id");
        self.rows.lock().unwrap().extend(batch.iter().map(|event| event.event.clone()));
        Ok(())
    }
}

impl Handler for Warehouse {
    fn handle(&self, batch: &[Received<'_>]) -> Result<Vec<Fate>> {
        self.insert(batch)?; // an error: the client sends the batch again
        Ok(batch.iter().map(|_| Fate::Stored).collect())
    }
}

#[test]
fn a_handler_that_could_not_insert_says_nothing_of_stored() {
    let warehouse = Warehouse::default();
    let (event, nameless, context) = (json!({ "header": { "eventId": "a" } }), json!({}), json!({}));
    let received = |event| Received { event, context: &context };
    assert_eq!(warehouse.handle(&[received(&event)]).unwrap(), [Fate::Stored]);
    assert!(warehouse.handle(&[received(&event), received(&nameless)]).is_err());
    assert_eq!(warehouse.rows.lock().unwrap().len(), 1);
}
