import Glibc

/// The terminal a command was started from, if it was.
package enum Terminal {
    /// Whether standard output goes to a terminal. Source: isatty(3).
    package static var isOutput: Bool { isatty(STDOUT_FILENO) == 1 }
    /// Whether standard error goes to a terminal.
    package static var isError: Bool { isatty(STDERR_FILENO) == 1 }
    /// The descriptor that keys come from.
    package static var inputDescriptor: Int32 { STDIN_FILENO }

    /// Columns and rows of the terminal at `descriptor`; 80 × 24 where it does not say.
    ///
    /// Source: ioctl_tty(2), TIOCGWINSZ.
    package static func size(of descriptor: Int32 = STDOUT_FILENO) -> (columns: Int, rows: Int) {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// The bytes typed since the last call, 64 at most; empty at the end of the input. Call it when
    /// the descriptor is readable: it blocks otherwise.
    package static func keys() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = unsafe read(STDIN_FILENO, &bytes, 64)
        return count > 0 ? Array(bytes.prefix(count)) : []
    }
}

/// Keys come one by one and are not shown, until this is dropped. Source: termios(3).
package struct KeyMode: ~Copyable {
    private var before = termios()

    /// Nil where standard input is no terminal of ours.
    package init?() {
        // A background process that changes the terminal would be stopped (SIGTTOU).
        guard isatty(STDIN_FILENO) == 1, tcgetpgrp(STDIN_FILENO) == getpgrp(),
            unsafe tcgetattr(STDIN_FILENO, &before) == 0
        else { return nil }
        var mode = before
        mode.c_lflag &= ~tcflag_t(ICANON | ECHO)
        guard unsafe tcsetattr(STDIN_FILENO, TCSANOW, &mode) == 0 else { return nil }
    }

    deinit {
        var mode = before
        _ = unsafe tcsetattr(STDIN_FILENO, TCSANOW, &mode)
    }
}
