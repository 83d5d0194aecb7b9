//! Domains: where names live.

use crate::check::{flags, give, handle, invalid, out, take_back, text_or_null};
use crate::guard::{prepare, status, value};
use crate::options::{self, Place, Sized_, place};
use crate::status::mb_status;
use mailboat::{Domain, DomainOptions, Result, Shared};
use std::ffi::{CString, c_char};
use std::path::Path;

/// A domain: the place where names live, one directory on tmpfs. Only programs that look into a
/// domain, list it, or use another than their default one need this handle; every other function
/// finds the default domain by itself.
///
/// Who owns it: the program that opened it, until mb_domain_close(). Ports and segments opened
/// through it keep what they need of the domain, so the handle may be closed before them. Any
/// number of threads may use it at once.
pub struct mb_domain {
    domain: Domain,
    path: CString,
}

impl mb_domain {
    pub(crate) fn domain(&self) -> &Domain {
        &self.domain
    }
}

/// In mb_domain_options: make the domain, if it is absent, for the members of a group; gid and mode
/// count.
pub const MB_DOMAIN_SHARED: u32 = 1;

/// How to open a domain. Begin with MB_DOMAIN_OPTIONS_INIT; a field that is 0 means the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_domain_options {
    /// sizeof(mb_domain_options).
    pub size: usize,
    /// A name, or the absolute path of a directory on tmpfs; with MB_DOMAIN_SHARED a path. NULL:
    /// what the environment variable MAILBOAT_DOMAIN says, else "default".
    pub location: *const c_char,
    /// MB_DOMAIN_SHARED or 0.
    pub flags: u32,
    /// With MB_DOMAIN_SHARED: the group that shares the domain. Else 0.
    pub gid: u32,
    /// With MB_DOMAIN_SHARED: the permission bits of the directory, such as 0770; the objects in it
    /// get them without the x bits. Else 0.
    pub mode: u32,
    /// How many tasks may be attached at once, for a domain that is made by this call, 1 to 16384.
    /// Default: 1024.
    pub max_tasks: u32,
}

// SAFETY: `repr(C)`, a `usize` first; a pointer and numbers may have any bit pattern.
unsafe impl Sized_ for mb_domain_options {
    const FIRST: usize = 32;
    const NAME: &'static str = "mb_domain_options";
}

impl mb_domain_options {
    /// # Safety
    /// `location` is NULL or ends in NUL.
    unsafe fn to_core(self) -> Result<DomainOptions> {
        flags(self.flags, MB_DOMAIN_SHARED, "mb_domain_options.flags")?;
        let mut options = DomainOptions::new();
        // SAFETY: the caller's promise.
        if let Some(location) = unsafe { text_or_null(self.location, "location") }? {
            options = options.location(location);
        }
        if self.flags & MB_DOMAIN_SHARED != 0 {
            options = options.shared(self.gid, self.mode);
        } else if self.gid != 0 || self.mode != 0 {
            return Err(invalid(
                "mb_domain_options.gid and mode are for MB_DOMAIN_SHARED, which is not in flags",
            ));
        }
        if self.max_tasks != 0 {
            options = options.max_tasks(self.max_tasks);
        }
        Ok(options)
    }
}

/// What a domain says about itself. Set `size` before asking (MB_DOMAIN_STATS_INIT does).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mb_domain_stats {
    /// sizeof(mb_domain_stats).
    pub size: usize,
    /// Tasks attached just now.
    pub tasks: u32,
    /// How many may be.
    pub max_tasks: u32,
    /// Deaths of tasks that were noticed and recovered, since the domain was made.
    pub deaths: u64,
    /// Size of the tmpfs that holds the domain, in bytes; UINT64_MAX if it has no limit.
    pub space_total: u64,
    /// Bytes of it that are free; UINT64_MAX if it has no limit.
    pub space_available: u64,
    /// MB_DOMAIN_SHARED if the domain is shared with a group.
    pub flags: u32,
    /// That group; 0 if the domain is private.
    pub gid: u32,
    /// The permission bits of a shared domain; 0 if the domain is private.
    pub mode: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, a `usize` first, plain numbers.
unsafe impl Sized_ for mb_domain_stats {
    const FIRST: usize = 56;
    const NAME: &'static str = "mb_domain_stats";
}

fn new(domain: Domain) -> Result<mb_domain> {
    let path = c_path(domain.path())?;
    Ok(mb_domain { domain, path })
}

fn c_path(path: &Path) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| invalid(format!("the path {} contains a NUL byte", path.display())))
}

/// Opens a domain. A private one that is absent is made: its directory belongs to the user alone.
///
/// Parameters:
///   location   a name, or the absolute path of a directory on tmpfs; NULL: what the environment
///              variable MAILBOAT_DOMAIN says, else "default"
///   domain     gets the handle
///
/// Status:    MB_OK, MB_BAD_NAME (neither a name nor an absolute path), MB_BAD_DOMAIN (not on
///            tmpfs, not a directory, no such place), MB_NOT_PERMITTED (another user's, open to
///            others, or not writable), MB_WRONG_TYPE, MB_CORRUPT, MB_VERSION, MB_NOT_FOUND (removed
///            meanwhile), MB_NO_SPACE, MB_TOO_MANY, MB_INVALID, MB_SYSTEM, MB_INTERNAL
/// Ownership: the handle is the caller's until mb_domain_close(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child may go on using the handle; it becomes a task of its own at the next use
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_open(
    location: *const c_char,
    domain: *mut *mut mb_domain,
) -> mb_status {
    prepare();
    status(|| {
        let domain = out(domain, "domain")?;
        // SAFETY: the caller's promise, for `location` and `domain`.
        unsafe {
            let opened = match text_or_null(location, "location")? {
                Some(location) => Domain::at(location)?,
                None => Domain::open()?,
            };
            domain.set(give(new(opened)?));
        }
        Ok(())
    })
}

/// Opens a domain as the options say, which may make a domain that a group shares.
///
/// Parameters:
///   options    how; NULL: the defaults, as mb_domain_open() with NULL
///   domain     gets the handle
///
/// Status:    those of mb_domain_open(); MB_ALREADY_EXISTS (it is there, but not shared in this
///            way); MB_INVALID also for a short size, unknown bits in flags, a mode or gid without
///            MB_DOMAIN_SHARED, MB_DOMAIN_SHARED without a path, a mode or max_tasks out of range
/// Ownership: the options stay the caller's and may be forgotten after the call; the handle is the
///            caller's until mb_domain_close(); on failure there is none
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      as mb_domain_open()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_open_with(
    options: *const mb_domain_options,
    domain: *mut *mut mb_domain,
) -> mb_status {
    prepare();
    status(|| {
        let domain = out(domain, "domain")?;
        // SAFETY: the caller's promise, for `options` and `domain`.
        unsafe {
            let options = match options::read(options)? {
                Some(options) => options.to_core()?,
                None => DomainOptions::new(),
            };
            domain.set(give(new(Domain::with(&options)?)?));
        }
        Ok(())
    })
}

/// The directory of a domain.
///
/// Parameters:
///   domain     the domain
///
/// Returns:   its absolute path; NULL if domain is NULL or misaligned (mb_last_error() says which)
/// Ownership: the text is the handle's and valid until mb_domain_close()
/// Blocking:  never
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_path(domain: *const mb_domain) -> *const c_char {
    value(std::ptr::null(), || {
        // SAFETY: the caller's promise.
        Ok(unsafe { handle(domain, "domain") }?.path.as_ptr())
    })
}

/// The id of the calling process as a task of the domain: what receivers of its messages see as
/// their sender.
///
/// Parameters:
///   domain     the domain
///   task       gets the id, unique in the domain for as long as the domain exists
///
/// Status:    MB_OK, MB_INVALID, MB_INTERNAL; in a forked child also MB_TOO_MANY, MB_NOT_FOUND,
///            MB_BAD_DOMAIN, MB_NOT_PERMITTED, MB_SYSTEM
/// Ownership: nothing changes hands
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      the child has an id of its own
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_task(domain: *const mb_domain, task: *mut u64) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?;
            let task = out(task, "task")?;
            task.set(domain.domain.task()?.0);
        }
        Ok(())
    })
}

/// Figures about a domain.
///
/// Parameters:
///   domain     the domain
///   stats      gets the figures; its size must be set (MB_DOMAIN_STATS_INIT)
///
/// Status:    MB_OK, MB_BAD_DOMAIN (removed meanwhile), MB_NOT_PERMITTED, MB_INVALID, MB_SYSTEM,
///            MB_INTERNAL
/// Ownership: nothing changes hands
/// Blocking:  never waits for other tasks
/// Threads:   any, at once
/// Fork:      no restriction
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_stat(
    domain: *const mb_domain,
    stats: *mut mb_domain_stats,
) -> mb_status {
    status(|| {
        // SAFETY: the caller's promise, for both.
        unsafe {
            let domain = handle(domain, "domain")?;
            let stats: Place<mb_domain_stats> = place(stats, "stats")?;
            let found = domain.domain.stat()?;
            stats.set(mb_domain_stats {
                size: size_of::<mb_domain_stats>(),
                tasks: found.tasks,
                max_tasks: found.max_tasks,
                deaths: found.deaths,
                space_total: found.space_total,
                space_available: found.space_available,
                flags: if found.shared.is_some() { MB_DOMAIN_SHARED } else { 0 },
                gid: found.shared.map_or(0, |Shared { gid, .. }| gid),
                mode: found.shared.map_or(0, |Shared { mode, .. }| mode),
                reserved: 0,
            });
        }
        Ok(())
    })
}

/// Lets a domain go. What was opened through it stays open.
///
/// Parameters:
///   domain     the handle, which is gone afterwards
///
/// Status:    MB_OK, MB_INVALID (NULL or misaligned; nothing was done), MB_INTERNAL
/// Ownership: takes the handle
/// Blocking:  never
/// Threads:   no other thread may be using the handle
/// Fork:      the child closes its own copy only
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mb_domain_close(domain: *mut mb_domain) -> mb_status {
    // SAFETY: the caller's promise.
    status(|| unsafe { take_back(domain, "domain") }.map(drop))
}
