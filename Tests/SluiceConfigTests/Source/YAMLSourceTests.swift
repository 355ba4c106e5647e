import Foundation
import Testing

@testable import SluiceConfig

/// The step *parse*: places, duplicates, syntax.
@Suite struct YAMLSourceTests {
    @Test func `every duplicate is reported at its second place, and other errors too`() {
        let found = errors(
            """
            listen: 0.0.0.0:1
            listen: 0.0.0.0:2
            listen: 0.0.0.0:3
            limits:
              fields_max: 1
              "fields_max": 2
              fields: 3
            \(pool)
            """)
        let places = found.issues.map(\.origin)
        #expect(
            places
                == [2, 3, 6, 7].map { line in
                    .file(name: "s.yaml", line: line, column: line < 4 ? 1 : 3)
                }, "\(found.text)")
        #expect(found.issues.prefix(3).map(\.path) == ["listen", "listen", "limits.fields_max"])
        #expect(found.text.contains("error: listen: is given twice (first on line 1)"))
        #expect(found.text.contains("limits.fields_max: is given twice (first on line 5)"))
    }

    @Test func `tags and merge keys are refused where they stand`() {
        let found = errors(
            """
            listen: !!str 0.0.0.0:1
            access_log: "off"
            limits:
              <<: {fields_max: 10}
            timeouts: !foo {}
            \(pool)
            """)
        #expect(found.issues.count == 3, "\(found.text)")
        #expect(found.text.contains("s.yaml:1:"))
        #expect(found.text.contains("listen: has the YAML tag `tag:yaml.org,2002:str`"))
        #expect(found.text.contains("s.yaml:4:3: error: limits: merge keys (<<) are not read"))
        #expect(found.text.contains("timeouts: has the YAML tag `!foo`"))
    }

    @Test func `a quote that is never closed is named where it opens`() {
        let found = errors("limits:\n  fields_max: \"10\n\(pool)\n")
        #expect(found.text.contains("s.yaml:2:15"), "\(found.text)")
        #expect(found.text.contains("the quote that opens here never closes"), "\(found.text)")
    }

    @Test func `the same key in two mappings is no duplicate`() throws {
        let read = try settings(
            """
            pools:
              - name: a
                replicas:
                  - name: x
                    url: http://h:1
                  - name: y
                    url: http://h:2
              - name: b
                replicas: [http://h:3]
            """)
        #expect(read.pools.map(\.name) == ["a", "b"])
    }

    @Test(arguments: [
        ("{fields_max: 1, fields_max: 2}", 1, 25, "limits.fields_max"),
        ("{fields_max: 1, 'fields_max' : 2}", 1, 25, "limits.fields_max"),
        ("{fields_max: 1, # fields_max: 2\n  fields_max: 2}", 2, 3, "limits.fields_max"),
        ("\n  ? fields_max\n  : 1\n  ? fields_max\n  : 2", 4, 5, "limits.fields_max"),
        ("{fields_max: 1}\npools: [{name: a, name: b}]", 2, 19, "pools[0].name"),
        (
            "{fields_max: 1}\npools:\n- name: a\n- name: b\n  weight: 1\n  name: c", 6, 3,
            "pools[1].name"
        ),
    ])
    func `a duplicate in any style has its path and second place`(
        text: String, line: Int, column: Int, path: String
    ) {
        let tail = text.contains("pools") ? "" : "\n\(pool)"
        let found = errors("limits: \(text)\(tail)").issues.filter {
            $0.problem.hasPrefix("is given twice (first ")
        }
        #expect(found.map(\.path) == [path])
        #expect(found.first?.origin == .file(name: "s.yaml", line: line, column: column))
    }

    @Test func `a duplicate of which nothing more is known is reported at its first place`() {
        let broken = errors("limits: {a: 1, a: 2}\nlisten: [")
        #expect(broken.text.contains("s.yaml:1:10: error: key `a` is given twice, first here"))
        #expect(broken.text.contains("not valid YAML"))
        for text in ["[a]: 1\n[a]: 2", "\"\": 1\n\"\": 2", "&a x: 1\nx: 2"] {
            let found = errors(text).text
            #expect(found.contains("s.yaml:1:") && found.contains("given twice"), "\(found)")
        }
        let many = errors(String(repeating: "a: 1\n", count: 100))
        #expect(many.text.contains("s.yaml:1:1: error: key `a` is given twice"))
    }

    @Test func `a duplicate behind an alias is reported once`() {
        let found = errors("limits: &l {x: 1, x: 2}\ntimeouts: *l\n\(pool)")
        #expect(found.text.components(separatedBy: "is given twice").count == 2, "\(found.text)")
    }

    @Test(arguments: [
        "a: [", "a: b: c", "\tlisten: x", "a: 'x", "- a\nb: c", "&a", "a: *b", "%YAML 9", "a: |x",
        "listen: a\n---\nlisten: b", "\u{0}", "? [a]\n: b", "!!map x", "a: \u{1}", "[[[[[[", "{{{{",
        "\"\\uD800\": x", "<<: {a: b}", "1: 2", "~: ~", "? \n: ", "listen: !!binary x",
    ])
    func `what is not YAML or not ours is an error with a place`(text: String) {
        let found = errors(text)
        #expect(!found.isEmpty)
        #expect(found.text.contains("s.yaml:"), "\(found.text)")
    }

    @Test func `tabs are named as such`() {
        let text = onlyError("pools:\n\t- name: x\n")
        #expect(text.contains("indented with a tab"))
        #expect(text.hasPrefix("s.yaml:2:"))
    }

    @Test func `deep nesting is refused, not a crash`() {
        for opener in ["[", "{a: ", "- "] {
            let found = errors(String(repeating: opener, count: 100_000))
            #expect(!found.isEmpty)
        }
    }

    @Test func `aliases of aliases are bounded`() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let item = "*a\(level - 1)"
            let items = Array(repeating: item, count: 9).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(items)]\n"
        }
        #expect(onlyError(text).contains("holds more than 200000 values"))
    }

    @Test func `an alias is the value it names`() throws {
        let read = try settings(
            """
            pools:
              - {name: a, scrape_interval: &often 500ms, replicas: [http://h:1]}
              - {name: b, scrape_interval: *often, replicas: [http://h:2]}
            """)
        #expect(read.pools[0].scrapeInterval == read.pools[1].scrapeInterval)
    }

    @Test func `any cut and any changed byte of a right file gives settings or errors`() throws {
        let text = try repositoryText("config/minimal.yaml") + "limits:\n  fields_max: 9 # ü\n"
        let bytes = Array(text.utf8)
        for index in bytes.indices {
            _ = try? Configuration.read(
                String(decoding: bytes[..<index], as: UTF8.self), name: "x")
            for byte in [
                UInt8(ascii: ":"), 0, 9, 10, 32, UInt8(ascii: "\""), UInt8(ascii: "-"), 255,
            ] {
                var changed = bytes
                changed[index] = byte
                _ = try? Configuration.read(String(decoding: changed, as: UTF8.self), name: "x")
            }
        }
    }
}
