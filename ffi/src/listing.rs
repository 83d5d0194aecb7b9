//! What is in a domain: lists of its objects and of its tasks, as they were at one moment.

use crate::check::{give, handle, invalid, out, take_back};
use crate::domain::mb_domain;
use crate::guard::{status, value};
use crate::status::mb_status;
use mailboat::{Entry, Kind, Result, TaskInfo};
use std::ffi::{CString, c_char};

/// An object in a domain is a port.
pub const MB_KIND_PORT: u32 = 1;
/// An object in a domain is a segment.
pub const MB_KIND_SEGMENT: u32 = 2;

/// One object of a domain. Later versions may add fields at the end; `size` says how far this
/// library's reach.
#[repr(C)]
pub struct mb_entry {
    /// sizeof(mb_entry) in the library.
    pub size: usize,
    /// Its name.
    pub name: *const c_char,
    /// Memory that it really uses, in bytes.
    pub bytes: u64,
    /// MB_KIND_PORT, MB_KIND_SEGMENT, or a number that a later version knows.
    pub kind: u32,
    /// The user it belongs to.
    pub uid: u32,
    /// Its permission bits.
    pub mode: u32,
    /// 0.
    pub reserved: u32,
}

/// The objects of a domain, as they were when mb_domain_list() looked.
///
/// Who owns it: the program that asked, until mb_entries_free(). It is a copy, so nothing changes
/// in it, and any number of threads may read it at once.
pub struct mb_entries {
    entries: Vec<mb_entry>,
    /// What the entries point to.
    _names: Vec<CString>,
}

/// Lists the ports and segments of a domain.
///
/// Parameters:
///   domain     the domain
///   entries    gets the list: mb_entries_count(), mb_entries_at()
///
/// Status:    MB_OK, MB_BAD_DOMAIN (removed meanwhile), MB_NOT_PERMITTED, MB_INVALID, MB_SYSTEM,
///            MB_INTERNAL
/// Ownership: the list is the caller's until mb_entries_free(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_list(
    domain: *const mb_domain,
    entries: *mut *mut mb_entries,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?;
            let entries = out(entries, "entries")?;
            entries.set(give(mb_entries::new(domain.domain().list()?)));
        }
        Ok(())
    })
}

impl mb_entries {
    fn new(found: Vec<Entry>) -> Self {
        let names: Vec<CString> =
            found.iter().map(|e| CString::new(e.name.as_str()).unwrap_or_default()).collect();
        let entries = found
            .iter()
            .zip(&names)
            .map(|(entry, name)| mb_entry {
                size: size_of::<mb_entry>(),
                name: name.as_ptr(),
                bytes: entry.bytes,
                kind: match entry.kind {
                    Kind::Port => MB_KIND_PORT,
                    Kind::Segment => MB_KIND_SEGMENT,
                    _ => 0,
                },
                uid: entry.uid,
                mode: entry.mode,
                reserved: 0,
            })
            .collect();
        mb_entries { entries, _names: names }
    }
}

/// How many objects a list has.
///
/// Parameters:
///   entries    the list
///
/// Returns:   their number; 0 if entries is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_entries_count(entries: *const mb_entries) -> usize {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(entries, "entries") }?.entries.len()))
}

/// One object of a list.
///
/// Parameters:
///   entries    the list
///   index      which, from 0
///
/// Returns:   the object; NULL if there are not so many, or if entries is NULL or misaligned
///            (mb_last_error() says which)
/// Ownership: it is the list's, and valid until mb_entries_free()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_entries_at(
    entries: *const mb_entries,
    index: usize,
) -> *const mb_entry {
    value(std::ptr::null(), || {
        // SAFETY: the caller's promise.
        at(&unsafe { handle(entries, "entries") }?.entries, index)
    })
}

/// Frees a list.
///
/// Parameters:
///   entries    the list, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the list
/// Blocking:  never
/// Threads:   no other thread may be using the list
/// Fork:      the child frees its own copy only
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_entries_free(entries: *mut mb_entries) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(entries, "entries") }.map(drop))
}

/// One task of a domain. Later versions may add fields at the end; `size` says how far this
/// library's reach.
#[repr(C)]
pub struct mb_task {
    /// sizeof(mb_task) in the library.
    pub size: usize,
    /// Its id, unique in the domain.
    pub id: u64,
    /// When it attached, in nanoseconds since 1970 (CLOCK_REALTIME).
    pub since_ns: u64,
    /// The name of its program, at most 15 bytes of it, for people; "" if unknown.
    pub program: *const c_char,
    /// Its process id, for people: as the process itself sees it.
    pub pid: u32,
    /// 1 if it lives, 0 if it died; it will not be listed again then.
    pub alive: u32,
}

/// The tasks of a domain, as they were when mb_domain_tasks() looked.
///
/// Who owns it: the program that asked, until mb_tasks_free(). It is a copy, so nothing changes in
/// it, and any number of threads may read it at once.
pub struct mb_tasks {
    tasks: Vec<mb_task>,
    /// What the tasks point to.
    _programs: Vec<CString>,
}

/// Lists the tasks of a domain.
///
/// Parameters:
///   domain     the domain
///   tasks      gets the list: mb_tasks_count(), mb_tasks_at()
///
/// Status:    MB_OK, MB_INVALID, MB_INTERNAL
/// Ownership: the list is the caller's until mb_tasks_free(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_tasks(
    domain: *const mb_domain,
    tasks: *mut *mut mb_tasks,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?;
            let tasks = out(tasks, "tasks")?;
            tasks.set(give(mb_tasks::new(domain.domain().tasks()?)));
        }
        Ok(())
    })
}

impl mb_tasks {
    fn new(found: Vec<TaskInfo>) -> Self {
        let programs: Vec<CString> =
            found.iter().map(|t| CString::new(t.program.as_str()).unwrap_or_default()).collect();
        let tasks = found
            .iter()
            .zip(&programs)
            .map(|(task, program)| mb_task {
                size: size_of::<mb_task>(),
                id: task.id.0,
                since_ns: task.since_ns,
                program: program.as_ptr(),
                pid: task.pid,
                alive: u32::from(task.alive),
            })
            .collect();
        mb_tasks { tasks, _programs: programs }
    }
}

/// How many tasks a list has.
///
/// Parameters:
///   tasks      the list
///
/// Returns:   their number; 0 if tasks is NULL or misaligned (mb_last_error() says which)
/// Ownership: nothing changes hands
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_tasks_count(tasks: *const mb_tasks) -> usize {
    // SAFETY: the caller's promise.
    value(0, || Ok(unsafe { handle(tasks, "tasks") }?.tasks.len()))
}

/// One task of a list.
///
/// Parameters:
///   tasks      the list
///   index      which, from 0
///
/// Returns:   the task; NULL if there are not so many, or if tasks is NULL or misaligned
///            (mb_last_error() says which)
/// Ownership: it is the list's, and valid until mb_tasks_free()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_tasks_at(tasks: *const mb_tasks, index: usize) -> *const mb_task {
    value(std::ptr::null(), || {
        // SAFETY: the caller's promise.
        at(&unsafe { handle(tasks, "tasks") }?.tasks, index)
    })
}

/// Frees a list.
///
/// Parameters:
///   tasks      the list, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the list
/// Blocking:  never
/// Threads:   no other thread may be using the list
/// Fork:      the child frees its own copy only
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_tasks_free(tasks: *mut mb_tasks) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(tasks, "tasks") }.map(drop))
}

fn at<T>(items: &[T], index: usize) -> Result<*const T> {
    items
        .get(index)
        .map(std::ptr::from_ref)
        .ok_or_else(|| invalid(format!("index is {index}, but the list has {} items", items.len())))
}
