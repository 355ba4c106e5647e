import Foundation
import SluiceHTTP

/// Files that the configuration names: there, readable, and of the kind expected.
enum FileCheck {
    /// Bytes of a PEM or key file at most.
    static let bytesMax = 1 << 20

    /// What a file has to hold.
    enum Kind {
        case certificate
        case privateKey
        case authority
        case apiKey
        /// Header fields, one a line.
        case fieldLines
    }

    /// A name relative to the file that mentions it, made complete.
    static func resolved(_ path: String, _ origin: Origin) -> String {
        guard !path.hasPrefix("/"), let base = origin.baseDirectory else { return path }
        return base == "/" ? "/" + path : "\(base)/\(path)"
    }

    /// Resolves and checks a file.
    ///
    /// - Returns: the name to open.
    static func check(_ text: String, _ origin: Origin, _ kind: Kind) throws(ValueProblem) -> String
    {
        guard !text.isEmpty else { throw ValueProblem("is an empty file name") }
        let path = resolved(text, origin)
        let bytes = try contents(of: path)
        let content = String(decoding: bytes, as: UTF8.self)
        switch kind {
        case .certificate, .authority:
            guard content.contains("-----BEGIN CERTIFICATE-----") else {
                let isKey = content.contains("PRIVATE KEY-----")
                throw ValueProblem(
                    "\(quoted(path)) holds no certificate",
                    advice: isKey
                        ? "It holds a private key: are certificate and key swapped?"
                        : "Expected PEM text that begins with -----BEGIN CERTIFICATE-----.")
            }
        case .privateKey:
            guard content.contains("PRIVATE KEY-----") else {
                let isCertificate = content.contains("-----BEGIN CERTIFICATE-----")
                throw ValueProblem(
                    "\(quoted(path)) holds no private key",
                    advice: isCertificate
                        ? "It holds a certificate: are certificate and key swapped?"
                        : "Expected PEM text with -----BEGIN PRIVATE KEY-----.")
            }
        case .fieldLines:
            do throws(FieldLinesError) {
                _ = try FieldLinesText.read(content)
            } catch {
                throw ValueProblem("\(quoted(path)): \(error)")
            }
        case .apiKey:
            let key = content.split(whereSeparator: \.isNewline)
            guard key.count == 1, let line = key.first,
                line.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
            else {
                throw ValueProblem(
                    "\(quoted(path)) does not hold one line of printable ASCII without spaces",
                    advice: "Expected the value of vLLM's --api-key and nothing else.")
            }
        }
        return path
    }

    /// The bytes of a regular, readable file within the bound.
    static func contents(of path: String) throws(ValueProblem) -> Data {
        let manager = FileManager.default
        guard manager.fileExists(atPath: path) else {
            throw ValueProblem("\(quoted(path)) does not exist", advice: missingAncestor(of: path))
        }
        let attributes = try? manager.attributesOfItem(atPath: resolvingLinks(path))
        if attributes?[.type] as? FileAttributeType == .typeDirectory {
            throw ValueProblem("\(quoted(path)) is a directory, expected a file")
        }
        // A pipe could keep the start waiting for its writer, and cannot be read twice.
        guard attributes?[.type] as? FileAttributeType == .typeRegular else {
            throw ValueProblem(
                "\(quoted(path)) is a pipe or a device, expected a file",
                advice: "Write what it gives into a file first.")
        }
        guard manager.isReadableFile(atPath: path) else {
            let mode = (attributes?[.posixPermissions] as? NSNumber)?.intValue ?? 0
            let owner = (attributes?[.ownerAccountName] as? String) ?? "another user"
            throw ValueProblem(
                "\(quoted(path)) may not be read by this process",
                advice:
                    "It belongs to \(owner), mode \(String(mode, radix: 8)); this is \(NSUserName())."
            )
        }
        if let size = (attributes?[.size] as? NSNumber)?.intValue, size > bytesMax {
            throw ValueProblem("\(quoted(path)) is larger than \(ByteSizeText.text(bytesMax))")
        }
        guard let data = manager.contents(atPath: path) else {
            throw ValueProblem("\(quoted(path)) cannot be read")
        }
        guard !data.isEmpty else { throw ValueProblem("\(quoted(path)) is empty") }
        return data
    }

    /// Kubernetes mounts secrets as links: the attributes wanted are those of the target.
    private static func resolvingLinks(_ path: String) -> String {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }

    /// Names the first directory that is missing: a forgotten mount looks like that.
    private static func missingAncestor(of path: String) -> String {
        var parent = URL(fileURLWithPath: path).deletingLastPathComponent()
        let manager = FileManager.default
        guard !manager.fileExists(atPath: parent.path) else {
            let names = (try? manager.contentsOfDirectory(atPath: parent.path)) ?? []
            let name = URL(fileURLWithPath: path).lastPathComponent
            let near =
                names.count <= 1_000 ? Suggestion.nearest(to: name, among: names.sorted()) : nil
            return near.map { "The directory holds \(quoted($0)): did you mean that?" }
                ?? "The directory \(quoted(parent.path)) exists, the file does not."
        }
        while parent.path.count > 1,
            !manager.fileExists(atPath: parent.deletingLastPathComponent().path)
        {
            parent.deleteLastPathComponent()
        }
        return
            "The directory \(quoted(parent.path)) does not exist either: is a volume not mounted?"
    }

    /// A file that will be appended to: its directory has to exist and allow it.
    static func checkAppendable(_ path: String) throws(ValueProblem) {
        let manager = FileManager.default
        if manager.fileExists(atPath: path) {
            let attributes = try? manager.attributesOfItem(atPath: resolvingLinks(path))
            if attributes?[.type] as? FileAttributeType == .typeDirectory {
                throw ValueProblem("\(quoted(path)) is a directory, expected a file")
            }
            guard manager.isWritableFile(atPath: path) else {
                throw ValueProblem(
                    "\(quoted(path)) may not be written by this process",
                    advice: "This is \(NSUserName()).")
            }
            return
        }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        guard manager.fileExists(atPath: parent) else {
            throw ValueProblem(
                "the directory \(quoted(parent)) does not exist", advice: "Create it first.")
        }
        guard manager.isWritableFile(atPath: parent) else {
            throw ValueProblem(
                "no file may be created in \(quoted(parent)) by this process",
                advice: "This is \(NSUserName()).")
        }
    }
}
