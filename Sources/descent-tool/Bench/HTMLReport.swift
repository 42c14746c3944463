import Figures
import Foundation

/// A report as one file that needs nothing else: pictures, tables, machines and raw results.
struct HTMLReport {
  var report: BenchmarkReport
  /// Of the package.
  var version: String
  /// When, and by which call.
  var made: String
  /// The document of `--json`.
  var json: String

  var html: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <meta name="color-scheme" content="light dark">
    <title>descent bench: \(Drawing.escaped(report.subject))</title>
    <style>\(Self.style)</style>
    </head>
    <body>
    <h1>descent bench: \(Drawing.escaped(report.subject))</h1>
    <p class="made">\(Drawing.escaped("descent \(version); \(made)"))</p>
    <h2>Measured on</h2>
    \(Self.table(machines))
    <h2>Steps</h2>
    <figure>\(report.plot)</figure>
    <p>The ceiling is an in-place pass over as many streams, with next to no arithmetic, on the same \
    device. A share is the median of the rounds' ratios; above 1 is noise, since both wait for \
    memory. A round trip's share is of the same ceiling.</p>
    \(list(report.overtakings + report.notes + report.advice + report.failures.map { "\($0)" }))
    \(Self.table(report.table))
    <h2>Ceilings</h2>
    \(Self.table(report.ceilings))
    <h2>Raw results</h2>
    <details><summary>JSON</summary><pre>\(Self.escapedLines(json))</pre></details>
    </body>
    </html>

    """
  }

  private var machines: Table {
    var table = Table(.left("device"), .left("what it is"), .left("driver"))
    for machine in report.machines {
      table.append(machine.name, machine.description, machine.driver)
    }
    return table
  }

  private func list(_ sentences: [String]) -> String {
    if sentences.isEmpty { return "" }
    return "<ul>\n" + sentences.map { "<li>\(Drawing.escaped($0))</li>\n" }.joined() + "</ul>"
  }

  private static func table(_ table: Table) -> String {
    func line(_ tag: String, _ cells: [String]) -> String {
      let cells = zip(table.columns, cells).map { column, cell in
        let style = column.alignment == .right ? " class=\"number\"" : ""
        return "<\(tag)\(style)>\(Drawing.escaped(cell))</\(tag)>"
      }
      return "<tr>\(cells.joined())</tr>\n"
    }
    return "<div class=\"wide\"><table>\n<thead>\(line("th", table.columns.map(\.title)))</thead>\n"
      + "<tbody>\n\(table.rows.map { line("td", $0) }.joined())</tbody>\n</table></div>"
  }

  /// Lines stay lines, which an attribute's text would lose.
  private static func escapedLines(_ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { Drawing.escaped(String($0)) }.joined(separator: "\n")
  }

  private static let style = """

    :root{color-scheme:light dark}
    body{margin:2rem auto;max-width:60rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;\
    color:#1f2328;background:\(Drawing.ground.light)}
    h1{font-size:1.5rem;line-height:1.25}
    h2{font-size:1.15rem;margin-top:2rem}
    .made{opacity:.7}
    figure{margin:1rem 0}
    .wide{overflow-x:auto}
    table{border-collapse:collapse;font-size:.9rem}
    th,td{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #d1d9e0}
    .number{text-align:right;font-variant-numeric:tabular-nums}
    pre{overflow-x:auto;font-size:.8rem;line-height:1.35}
    @media (prefers-color-scheme:dark){
    body{color:#e6edf3;background:\(Drawing.ground.dark)}
    th,td{border-color:#3d444d}
    }

    """
}
