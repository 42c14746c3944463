internal import Safetensors

/// What a checkpoint's metadata says of its optimizer, each entry a JSON text:
///
/// - `optimizer.version`: `1`.
/// - `optimizer.rule`: `{"hyperparameters":{"beta1":0.9,…},"name":"adam"}`.
/// - `optimizer.last_rule`: the same, if a step was taken.
/// - `optimizer.layout`: `{"alignment":4,"groups":{"default":{…}},"tensors":[{"group":"default",
///   "name":"weight","offset":0,"shape":[10,64]},…]}`.
/// - `optimizer.steps`: `{"groups":{"default":7},"skipped":0,"taken":7}`.
/// - `optimizer.control`: `{"averageHasBegun":false,"averaging":…,"baseLearningRate":…,
///   "clipping":…,"leftOut":[],"lossScale":…,"missedSteps":[…],"skipsNonFinite":false,
///   "storage":"bfloat16"}`; what is nil, has no member or is `float32` is left out but for
///   `leftOut`.
/// - `optimizer.schedule`: a list of the schedule's parts, if there is one.
/// - `optimizer.groups`: `{"matrices":{"history":{…},"lastRule":{…},"rule":{…},"schedule":[…]},…}`,
///   the groups with a rule, a schedule or a history of their own. A file that has this entry is of
///   version 2.
extension OptimizerStatus {
  enum Entry: String, CaseIterable {
    case version = "optimizer.version"
    case rule = "optimizer.rule"
    case lastRule = "optimizer.last_rule"
    case layout = "optimizer.layout"
    case steps = "optimizer.steps"
    case control = "optimizer.control"
    case schedule = "optimizer.schedule"
    case groups = "optimizer.groups"
  }

  /// Of files without own rules, schedules and histories, and of those with some.
  static let versions = ["1", "2"]

  private struct Group: Codable {
    var rule: CodedRule?
    var lastRule: CodedRule?
    var schedule: Schedule?
    var history: [String: Double]?

    var isEmpty: Bool { rule == nil && lastRule == nil && schedule == nil && history == nil }
  }

  private struct Steps: Codable {
    var taken: Int
    var skipped: Int
    var groups: [String: Int]
  }

  private struct Control: Codable {
    var clipping: Clipping?
    var skipsNonFinite: Bool
    var lossScale: LossScale?
    var leftOut: [String]
    var missedSteps: [String]?
    var baseLearningRate: Double?
    var averaging: ParameterAverage?
    var averageHasBegun: Bool
    /// Left out where it is true.
    var statesHaveBegun: Bool?
    /// Left out where it is `float32`.
    var storage: Storage?
  }

  /// Throws what coding a setting throws: a function has no text.
  var metadata: [String: String] {
    get throws {
      var entries: [Entry: String] = [:]
      var groups: [String: Group] = [:]
      for name in layout.groupNames {
        let group = Group(
          rule: groupRules[name].map(CodedRule.init),
          lastRule: lastGroupRules[name].map(CodedRule.init), schedule: groupSchedules[name],
          history: histories[name])
        if !group.isEmpty { groups[name] = group }
      }
      entries[.version] = Self.versions[groups.isEmpty ? 0 : 1]
      if !groups.isEmpty { entries[.groups] = try JSONValue(encoding: groups).text }
      entries[.rule] = try JSONValue(encoding: CodedRule(rule)).text
      if let lastRule {
        entries[.lastRule] = try JSONValue(encoding: CodedRule(lastRule)).text
      }
      entries[.layout] = try JSONValue(encoding: layout).text
      entries[.steps] =
        try JSONValue(
          encoding: Steps(taken: stepCount, skipped: skippedStepCount, groups: groupStepCounts)
        ).text
      entries[.control] =
        try JSONValue(
          encoding: Control(
            clipping: clipping, skipsNonFinite: skipsNonFinite, lossScale: lossScale,
            leftOut: leftOut.sorted(),
            missedSteps: missedSteps.isEmpty ? nil : missedSteps.sorted(),
            baseLearningRate: baseLearningRate, averaging: averaging,
            averageHasBegun: averageHasBegun, statesHaveBegun: statesHaveBegun ? nil : false,
            storage: storage == .float32 ? nil : storage)
        ).text
      if let schedule { entries[.schedule] = try JSONValue(encoding: schedule).text }
      return Dictionary(uniqueKeysWithValues: entries.map { ($0.key.rawValue, $0.value) })
    }
  }

  /// Reads and validates what ``metadata`` gave; nil if it says nothing of an optimizer. Throws
  /// ``CheckpointError`` with the entry that is wrong.
  init?(metadata: [String: String], file: String) throws(CheckpointError) {
    guard let version = metadata[Entry.version.rawValue] else { return nil }
    if !Self.versions.contains(version) { throw .version(file: file, found: version) }
    func entry<Value: Decodable>(
      _ entry: Entry, _ type: Value.Type
    ) throws(CheckpointError) -> Value {
      guard let value = try metadata.decoded(entry.rawValue, type, file: file) else {
        throw .metadata(file: file, key: entry.rawValue, reason: "it is missing")
      }
      return value
    }
    rule = try entry(.rule, CodedRule.self).rule
    lastRule = try metadata.decoded(Entry.lastRule.rawValue, CodedRule.self, file: file)?.rule
    layout = try entry(.layout, ParameterLayout.self)
    let steps = try entry(.steps, Steps.self)
    (stepCount, skippedStepCount) = (steps.taken, steps.skipped)
    groupStepCounts = steps.groups
    let control = try entry(.control, Control.self)
    (clipping, skipsNonFinite) = (control.clipping, control.skipsNonFinite)
    (lossScale, leftOut) = (control.lossScale, Set(control.leftOut))
    (missedSteps, baseLearningRate) = (Set(control.missedSteps ?? []), control.baseLearningRate)
    (averaging, averageHasBegun) = (control.averaging, control.averageHasBegun)
    (statesHaveBegun, storage) = (control.statesHaveBegun ?? true, control.storage ?? .float32)
    let groups =
      try metadata.decoded(Entry.groups.rawValue, [String: Group].self, file: file) ?? [:]
    groupRules = groups.compactMapValues { $0.rule?.rule }
    lastGroupRules = groups.compactMapValues { $0.lastRule?.rule }
    groupSchedules = groups.compactMapValues(\.schedule)
    histories = groups.compactMapValues(\.history)
    schedule = try metadata.decoded(Entry.schedule.rawValue, Schedule.self, file: file)
    do {
      try validate()
    } catch {
      throw .metadata(file: file, key: "optimizer.*", reason: "\(error)")
    }
  }
}

extension [String: String] {
  /// The value of a metadata entry in JSON, if it is there.
  func decoded<Decoded: Decodable>(
    _ key: String, _ type: Decoded.Type, file: String
  ) throws(CheckpointError) -> Decoded? {
    guard let text = self[key] else { return nil }
    do {
      return try JSONValue(text).decode(type)
    } catch SafetensorsError.malformed(_, let place, let found, let allowed) {
      throw .metadata(
        file: file, key: key, reason: "\(place): \(found); allowed is \(allowed)")
    } catch let error as DecodingError {
      throw .metadata(file: file, key: key, reason: error.place)
    } catch {
      throw .metadata(file: file, key: key, reason: "\(error)")
    }
  }
}

extension DecodingError {
  /// Where in the value, and what is wrong there.
  fileprivate var place: String {
    let context: Context? =
      switch self {
      case .typeMismatch(_, let context), .valueNotFound(_, let context),
        .keyNotFound(_, let context), .dataCorrupted(let context):
        context
      @unknown default: nil
      }
    guard let context else { return "a value that cannot be" }
    let path = context.codingPath.map(\.stringValue).joined(separator: ".")
    return path.isEmpty
      ? context.debugDescription : "\(excerpt(path)): \(context.debugDescription)"
  }
}

/// A rule under its name.
struct CodedRule: Codable {
  let rule: any UpdateRule

  init(_ rule: any UpdateRule) { self.rule = rule }

  private enum Key: CodingKey { case name, hyperparameters }

  /// Refuses a name that is not of ``Rules`` and what the rule's own coding refuses.
  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    func decode<Rule: UpdateRule>(_ type: Rule.Type) throws -> any UpdateRule {
      try values.decode(type, forKey: .hyperparameters)
    }
    rule = try decode(Rules.named(values.decode(String.self, forKey: .name)))
  }

  func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: Key.self)
    try values.encode(type(of: rule).name, forKey: .name)
    try values.encode(rule, forKey: .hyperparameters)
  }
}
