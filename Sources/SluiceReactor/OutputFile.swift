import Glibc

/// A file or standard output that is only written to; writing may block.
package struct OutputFile: ~Copyable, Sendable {
    /// What a write came to.
    package enum Written: Equatable, Sendable {
        /// So many bytes, at least one.
        case bytes(Int)
        /// Nothing, and nothing will be: disk full, pipe closed.
        case failed
    }

    private let descriptor: Int32
    private let isOurs: Bool

    /// Standard output; it stays open.
    package static var standardOutput: OutputFile {
        OutputFile(descriptor: STDOUT_FILENO, isOurs: false)
    }

    private init(descriptor: Int32, isOurs: Bool) {
        self.descriptor = descriptor
        self.isOurs = isOurs
    }

    /// Opens a file to add to, and makes it (0640) where there is none. Source: open(2).
    package init(appendingTo path: String) throws(SystemError) {
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        isOurs = true
        guard descriptor >= 0 else { throw SystemError(call: "open \(path)") }
    }

    /// Bytes in the file; 0 for what is no file. Source: fstat(2).
    package var size: Int {
        var status = stat()
        // Safety: the struct is ours for the call.
        guard unsafe fstat(descriptor, &status) == 0 else { return 0 }
        return Int(status.st_size)
    }

    deinit {
        if isOurs && descriptor >= 0 { close(descriptor) }
    }

    /// Writes some of the bytes, `bytesMax` at most; begins again where a signal came. Source: write(2).
    package func write(_ bytes: Span<UInt8>, bytesMax: Int = .max) -> Written {
        while true {
            let count = unsafe bytes.withUnsafeBufferPointer { bytes in
                // Safety: the length is that of the span, or less.
                unsafe Glibc.write(descriptor, bytes.baseAddress, min(bytes.count, bytesMax))
            }
            if count > 0 { return .bytes(count) }
            guard count < 0, errno == EINTR else { return .failed }
        }
    }
}
