/// A number for a caption, with this many significant digits, including trailing zeros, or with all
/// digits before the point.
func short(_ value: Double, digits: Int = 2) -> String {
  guard value.isFinite else { return value.isNaN ? "no number" : value < 0 ? "−∞" : "∞" }
  // A number less than half a unit below a power of ten would be rounded up to it.
  var (decimals, wanted) = (0, 1.0)
  for _ in 1..<digits { wanted *= 10 }
  wanted -= 0.05
  var scaled = abs(value)
  while scaled < wanted, decimals < 9, value != 0 {
    scaled *= 10
    decimals += 1
  }
  let text = Drawing.number(value, decimals: decimals)
  guard decimals > 0 else { return text }
  let point = text.contains(".") ? "" : "."
  let shown = text.contains(".") ? text.split(separator: ".")[1].count : 0
  return text + point + String(repeating: "0", count: decimals - shown)
}
