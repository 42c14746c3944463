// Names of a variant, made from the NAME and FILE_ of its block in rules/list.inc.
#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define STRING_(text) #text
#define STRING(text) STRING_(text)

#define RULE JOIN(NAME, rule)
#define SCALARS JOIN(NAME, scalars)
#define RULE_FILE STRING(../rules/FILE_)
#define UPDATE JOIN(JOIN(NAME, update), INSTRUCTIONS)
