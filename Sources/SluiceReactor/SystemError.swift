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

    /// Why an address cannot be listened on and what to do; errno(3)'s text where that is all.
    package var listenReason: String {
        let advice: String? =
            switch code {
            case EADDRINUSE:
                "another process has it (ss -ltnp tells which), or choose another port"
            case EACCES:
                "ports below 1024 are for root and for CAP_NET_BIND_SERVICE; choose one above"
            case EADDRNOTAVAIL:
                "no interface of this machine has that address (ip addr shows them)"
            case EAFNOSUPPORT: "this machine has no addresses of that family; is IPv6 off?"
            default: nil
            }
        return advice.map { "\(reason); \($0)" } ?? reason
    }

    /// errno(3)'s text.
    package var reason: String { unsafe String(cString: strerror(code)) }
    package var description: String { "\(call): \(reason)" }
}
