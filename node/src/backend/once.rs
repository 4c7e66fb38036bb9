//! Answers to requests that move money, kept so that the same request again has no second effect.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use infernet_api::{ApiError, ErrorCode, RequestId};
use infernet_engine::video::write_atomically;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file in the node's folder.
const FILE: &str = "answered.json";
/// Answers that are kept: those of days.
const KEPT: usize = 256;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answered {
    id: RequestId,
    request: Value,
    answer: Value,
}

/// The newest answers.
#[derive(Debug)]
pub(super) struct Once {
    file: PathBuf,
    answered: Mutex<VecDeque<Answered>>,
}

impl Once {
    /// Reads the file of a node's folder.
    pub(super) fn open(folder: &std::path::Path) -> Self {
        let file = folder.join(FILE);
        let read = std::fs::read(&file).ok().map(|bytes| serde_json::from_slice(&bytes));
        let answered = match read {
            None => VecDeque::new(),
            Some(Ok(answered)) => answered,
            Some(Err(error)) => {
                tracing::warn!("{} can't be read, earlier requests are forgotten: {error}", file.display());
                VecDeque::new()
            }
        };
        Self { file, answered: Mutex::new(answered) }
    }

    /// What was answered to a request of this id.
    ///
    /// # Errors
    /// The id was used for another request.
    pub(super) fn known<R: Serialize, T: DeserializeOwned>(
        &self,
        id: Option<RequestId>,
        request: &R,
    ) -> Result<Option<T>, ApiError> {
        let Some(id) = id else { return Ok(None) };
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = answered.iter().find(|known| known.id == id) else { return Ok(None) };
        if serde_json::to_value(request).ok().as_ref() != Some(&known.request) {
            return Err(reused());
        }
        Ok(serde_json::from_value(known.answer.clone()).ok())
    }

    /// Keeps an answer. Money has moved by now: where the disk is full, the answer is given all the same.
    pub(super) fn keep<R: Serialize, T: Serialize>(&self, id: Option<RequestId>, request: &R, answer: &T) {
        let (Some(id), Ok(request), Ok(answer)) = (id, serde_json::to_value(request), serde_json::to_value(answer))
        else {
            return;
        };
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.push_back(Answered { id, request, answer });
        while answered.len() > KEPT {
            answered.pop_front();
        }
        let written = serde_json::to_vec(&*answered)
            .map_err(|error| error.to_string())
            .and_then(|bytes| write_atomically(&self.file, &bytes).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!("{} can't be kept: {error}", self.file.display());
        }
    }
}

pub(super) fn reused() -> ApiError {
    let next_step = "choose a new random id for a new request";
    ApiError::new(ErrorCode::RequestIdReused, "this request_id was used for another request", next_step)
        .at("request_id")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_given_again_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let id = Some(RequestId([7; 16]));
        let once = Once::open(folder.path());
        assert_eq!(once.known::<_, u32>(id, &"claim").unwrap(), None);
        once.keep(id, &"claim", &5_u32);
        let once = Once::open(folder.path());
        assert_eq!(once.known::<_, u32>(id, &"claim").unwrap(), Some(5));
        assert_eq!(once.known::<_, u32>(id, &"stake").unwrap_err().code, ErrorCode::RequestIdReused);
        assert_eq!(once.known::<_, u32>(Some(RequestId([8; 16])), &"claim").unwrap(), None);
        assert_eq!(once.known::<_, u32>(None, &"claim").unwrap(), None);
    }
}
