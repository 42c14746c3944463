extension Optimizer {
  /// The settings of a group of the layout. Throws ``DescentError`` if there is none of that name.
  public func group(_ name: String) throws -> ParameterGroup {
    groups.groups[try groups.index(of: name)]
  }

  /// Replaces a group's settings from the next step on: its learning rate's factor, its weight decay,
  /// or whether it is frozen. Throws ``DescentError``, and changes nothing, if there is no group of
  /// that name or a number cannot be.
  public func setGroup(_ name: String, to group: ParameterGroup) throws {
    let index = try groups.index(of: name)
    // A step in flight counts for the groups as they were when it was enqueued.
    try collect(wait: true)
    try withDefaultFloatingPoint { try groups.set(index, to: group, rule) }
    controlIsChecked = false
  }

  /// How many steps a group has taken: fewer than ``stepCount`` if it was frozen for some.
  public func stepCount(ofGroup name: String) throws -> Int {
    try collect(wait: true)
    return groups.counts[try groups.index(of: name)]
  }
}
