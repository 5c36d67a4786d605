//! Searches, on the thread of the runs: of both there is one at a time. And searches read back from disk.

use std::path::PathBuf;
use std::sync::Arc;

use super::context::JobContext;
use super::protocol::{EarlierSearch, Report, SearchEvent, SearchStart};
use super::runs::{gathered, give_way};
use crate::train::event::RunControl;
use crate::train::search;

pub(super) fn handle(start: &SearchStart, control: &RunControl, context: &JobContext) {
    give_way();
    let outcome = gathered(
        |batch| context.report(Report::Search(batch)),
        |events| {
            // The gatherer listens until this sender is gone.
            let mut emit = |event: SearchEvent| drop(events.send(event));
            let ended = match start {
                SearchStart::New { base, minutes, out } => search::prepare(base, *minutes)
                    .and_then(|prepared| search::begin(prepared, out, control, &mut emit)),
                SearchStart::Resume { folder, minutes } => search::resume(folder, Some(*minutes), control, &mut emit),
            };
            ended.map_err(|error| error.to_string())
        },
    );
    if let Err(message) = outcome {
        context.failed("the search", message);
    }
}

pub(super) fn open(folder: PathBuf, context: &JobContext) {
    context.started(folder.display().to_string());
    match search::open(&folder) {
        Ok((search, table)) => {
            let (search, table) = (Arc::new(search), Arc::new(table));
            context.report(Report::EarlierSearch(Box::new(EarlierSearch { folder, search, table })));
        }
        Err(error) => context.failed(folder.display().to_string(), error.to_string()),
    }
}
