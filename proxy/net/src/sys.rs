//! The system calls that neither std nor socket2 offers, each behind a safe function.
#![allow(unsafe_code)] // Foreign functions; every block says why it is sound.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Soft and hard limit of open file descriptors.
pub(crate) fn nofile() -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid, writable rlimit for the whole call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if result == 0 {
        Ok((limit.rlim_cur, limit.rlim_max))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the soft and hard limit of open file descriptors.
pub(crate) fn set_nofile(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: `limit` is a valid rlimit, which the kernel only reads.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has the calling thread, and threads that it starts from now on, run only where no other thread wants to.
pub(crate) fn set_idle() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // Not libc's function of this name: musl's always fails.
    // SAFETY: `parameters` is a valid sched_param, which the kernel only reads; 0 is the calling thread.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_IDLE,
            &raw const parameters,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// User and system time of this process, all threads together.
pub(crate) fn cpu_time() -> io::Result<(Duration, Duration)> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to writable memory of the right size and alignment.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: rusage is made of integers only, for which zeroes are valid, and the call has filled it.
    let usage = unsafe { usage.assume_init() };
    Ok((duration(usage.ru_utime), duration(usage.ru_stime)))
}

/// Clock ticks per second of the times in `/proc/self/stat`.
pub(crate) fn clock_ticks() -> Option<u64> {
    // SAFETY: takes and returns plain integers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}

/// Bytes in a page of memory.
pub(crate) fn page_size() -> Option<u64> {
    // SAFETY: takes and returns plain integers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|size| *size > 0)
}

/// Lets the kernel choose the local port at `connect` instead of at `bind`.
///
/// At `bind` a port must be free for the source address; at `connect` it only has to make the pair of
/// addresses unique, so that one source address can hold far more connections than there are ports.
pub(crate) fn set_bind_address_no_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for as long as it is borrowed; `on` is a c_int and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Bytes that have been written to a connection and that its peer has not acknowledged.
pub(crate) fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as it is borrowed; TIOCOUTQ writes one c_int to the pointer.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 {
        Ok(u64::try_from(bytes).unwrap_or(0))
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Has new connections go to the socket that was the second to listen on the address of `listener`, while there is one.
pub(crate) fn prefer_second_listener(listener: BorrowedFd<'_>) -> io::Result<()> {
    // A program of one instruction, which gives the place of the second among those that listen. Where there is none of
    // that place the kernel chooses as if there were no program.
    let mut code = [libc::sock_filter {
        code: RETURN_CONSTANT,
        jt: 0,
        jf: 0,
        k: 1,
    }];
    let program = libc::sock_fprog {
        len: 1,
        filter: code.as_mut_ptr(),
    };
    // SAFETY: the descriptor is open for as long as it is borrowed; `program` is a sock_fprog of the size that is given,
    // and its filter points to the one instruction that it says there is. The kernel copies both.
    let result = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// BPF_RET | BPF_K.
const RETURN_CONSTANT: u16 = 0x06;

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
