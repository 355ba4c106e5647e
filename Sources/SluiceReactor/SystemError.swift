import Glibc

/// A system call that failed: its name and errno.
package struct SystemError: Error, CustomStringConvertible, Equatable {
    package let call: String
    package let code: Int32

    /// Takes the calling thread's errno unless a code is given.
    package init(call: String, code: Int32 = errno) {
        self.call = call
        self.code = code
    }

    /// ECONNREFUSED.
    package var isRefused: Bool { code == ECONNREFUSED }
    /// EADDRINUSE.
    package var isAddressInUse: Bool { code == EADDRINUSE }

    /// errno(3)'s text.
    package var reason: String { unsafe String(cString: strerror(code)) }
    package var description: String { "\(call): \(reason)" }
}
