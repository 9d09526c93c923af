"""Every message, in every language: the one source of what explanations say.

`{name:type}` is a placeholder: `value`, `said` (another message), `text` (as it is), `list` (joined by
`list.between`), `clauses` (joined by `clauses.between`), or a number to be written as `count`,
`number`, `percent`, `duration`, `money` or `signed`. `{n?one|many}` chooses a word by number. Both
languages of a message use the same placeholders; a test holds them to it.
"""

# A message stands on one line in each language, however long it is.
# ruff: noqa: E501

from __future__ import annotations

MESSAGES: dict[str, dict[str, str]] = {
    # ---- joining
    "list.between": {"en": ", ", "zh": "、"},
    "clauses.between": {"en": "; ", "zh": "；"},
    "clauses.of": {"en": "{items:clauses}", "zh": "{items:clauses}"},
    # ---- actions
    "action.PASS": {"en": "Passed", "zh": "放行"},
    "action.MFA": {"en": "Second factor asked for", "zh": "要求二次验证"},
    "action.REVIEW": {"en": "Held for review", "zh": "转人工审核"},
    "action.BLOCK": {"en": "Blocked", "zh": "拦截"},
    "to.PASS": {"en": "passed", "zh": "放行"},
    "to.MFA": {"en": "asked for a second factor", "zh": "要求二次验证"},
    "to.REVIEW": {"en": "held for review", "zh": "转人工审核"},
    "to.BLOCK": {"en": "blocked", "zh": "拦截"},
    "name.PASS": {"en": "PASS", "zh": "放行"},
    "name.MFA": {"en": "MFA", "zh": "二次验证"},
    "name.REVIEW": {"en": "REVIEW", "zh": "人工审核"},
    "name.BLOCK": {"en": "BLOCK", "zh": "拦截"},
    # ---- the first sentence
    "summary": {"en": "{action:said}: {facts:clauses}.", "zh": "{action:said}：{facts:clauses}。"},
    "summary.facts": {"en": "{facts:list}", "zh": "{facts:list}"},
    "summary.because": {"en": "{reason:said} – {facts:list}", "zh": "{reason:said}，{facts:list}"},
    "summary.model": {"en": "model {score:count}/100", "zh": "模型评分{score:count}/100"},
    "summary.models": {"en": "model {name:text} {score:count}/100", "zh": "模型{name:text}评分{score:count}/100"},
    "summary.probability": {"en": "probability of fraud {p:percent}", "zh": "欺诈概率{p:percent}"},
    "summary.risk": {"en": "risk {score:count}/100", "zh": "风险{score:count}/100"},
    "summary.nothing": {"en": "nothing unusual", "zh": "未见异常"},
    "summary.quiet": {"en": "nothing that weighs enough", "zh": "风险信号不足"},
    "summary.noted": {"en": "noted, but too little: {reason:said}", "zh": "有提示但不足以处置：{reason:said}"},
    "summary.demanded": {"en": "at least this is demanded by rule {rule:text}", "zh": "规则{rule:text}要求至少如此处置"},
    "summary.held_down": {"en": "at most this is allowed by rule {rule:text}", "zh": "规则{rule:text}限定至多如此处置"},
    "summary.expected": {
        "en": "expected to bring {mine:value}, against {other:value} if {action:said}",
        "zh": "预期损益{mine:value}，若{action:said}则为{other:value}",
    },
    # ---- a value
    "fact": {"en": "{name:said} {value:value}", "zh": "{name:said}{value:value}"},
    "fact.usual": {
        "en": "{name:said} {value:value} (usually {usual:value})",
        "zh": "{name:said}{value:value}（平时{usual:value}）",
    },
    "fact.written": {"en": "{text:said}", "zh": "{text:said}"},
    "fact.written_usual": {"en": "{text:said} (usually {usual:value})", "zh": "{text:said}（平时{usual:value}）"},
    "fact.true": {"en": "{name:said}", "zh": "{name:said}"},
    "fact.false": {"en": "not: {name:said}", "zh": "非“{name:said}”"},
    "fact.unknown": {"en": "{name:said} unknown", "zh": "{name:said}未知"},
    "fact.listed": {
        "en": "{value:value} is on the list {list:text}",
        "zh": "{value:value}在名单{list:text}中",
    },
    "usual": {"en": "usually {usual:value}", "zh": "平时{usual:value}"},
    # ---- what moved the belief
    "source.rule": {"en": "rule {name:text}", "zh": "规则{name:text}"},
    "source.pattern": {"en": "pattern {name:text}", "zh": "模式{name:text}"},
    "source.model": {"en": "model {name:text}", "zh": "模型{name:text}"},
    "source.table": {"en": "table {name:text}", "zh": "决策表{name:text}"},
    "source.scorecard": {"en": "scorecard {name:text}", "zh": "评分卡{name:text}"},
    "source.tree": {"en": "decision tree {name:text}", "zh": "决策树{name:text}"},
    "source.feature": {"en": "{name:said}", "zh": "{name:said}"},
    "source.evidence": {"en": "evidence {name:said}", "zh": "证据“{name:said}”"},
    "source.state": {"en": "evidence {name:said}: {state:text}", "zh": "证据“{name:said}”为{state:text}"},
    "source.none": {"en": "{name:said}: nothing fired", "zh": "{name:said}：无命中"},
    "node.rules": {"en": "rules", "zh": "规则"},
    "node.patterns": {"en": "patterns", "zh": "模式"},
    "node.model": {"en": "model", "zh": "模型"},
    "pattern.progress": {
        "en": "{stages:list}, within {span:duration}",
        "zh": "{stages:list}，历时{span:duration}",
    },
    "pattern.stage": {"en": "{name:said} ×{n:count}", "zh": "{name:said}×{n:count}"},
    # ---- near misses
    "near.rule": {
        "en": "rule {name:text} almost fired: {missing:clauses}",
        "zh": "规则{name:text}险些命中：{missing:clauses}",
    },
    "near.rule_worded": {
        "en": "rule {name:text} ({reason:said}) almost fired: {missing:clauses}",
        "zh": "规则{name:text}（{reason:said}）险些命中：{missing:clauses}",
    },
    "near.pattern": {
        "en": "pattern {name:text} is at {seen:count} of {stages:count} stages, missing {missing:list}",
        "zh": "模式{name:text}已完成{seen:count}/{stages:count}个阶段，尚缺{missing:list}",
    },
    "near.pattern_left": {
        "en": "pattern {name:text} is at {seen:count} of {stages:count} stages, missing {missing:list}; "
        "{left:duration} left",
        "zh": "模式{name:text}已完成{seen:count}/{stages:count}个阶段，尚缺{missing:list}；剩余{left:duration}",
    },
    "near.threshold": {
        "en": "{action:said} starts at {threshold:percent}; this is {p:percent}",
        "zh": "{action:said}起点为{threshold:percent}，本次为{p:percent}",
    },
    "miss.above": {
        "en": "{name:said} is {value:value}, must be more than {limit:value} ({gap:percent} short)",
        "zh": "{name:said}为{value:value}，须超过{limit:value}（差{gap:percent}）",
    },
    "miss.at_least": {
        "en": "{name:said} is {value:value}, must be at least {limit:value} ({gap:percent} short)",
        "zh": "{name:said}为{value:value}，须达到{limit:value}（差{gap:percent}）",
    },
    "miss.below": {
        "en": "{name:said} is {value:value}, must be less than {limit:value} ({gap:percent} too much)",
        "zh": "{name:said}为{value:value}，须低于{limit:value}（超出{gap:percent}）",
    },
    "miss.at_most": {
        "en": "{name:said} is {value:value}, must be at most {limit:value} ({gap:percent} too much)",
        "zh": "{name:said}为{value:value}，须不超过{limit:value}（超出{gap:percent}）",
    },
    "miss.is": {
        "en": "{name:said} is {value:value}, must be {wanted:list}",
        "zh": "{name:said}为{value:value}，须为{wanted:list}",
    },
    "miss.is_not": {
        "en": "{name:said} is {value:value}, must be something else",
        "zh": "{name:said}为{value:value}，须为其他值",
    },
    "miss.true": {"en": "it would need: {name:said}", "zh": "还须满足：{name:said}"},
    "miss.false": {"en": "it would need the opposite of: {name:said}", "zh": "还须不满足：{name:said}"},
    "miss.known": {"en": "{name:said} is unknown", "zh": "{name:said}未知"},
    "missing.stage": {"en": "{name:said}", "zh": "{name:said}"},
    # ---- what else would have come out
    "counter": {"en": "would be {action:said} with {changes:list}", "zh": "若{changes:list}，则{action:said}"},
    "change.to": {"en": "{name:said} {to:value} instead of {from:value}", "zh": "{name:said}为{to:value}（原为{from:value}）"},
    "change.earlier": {"en": "the event {by:duration} earlier", "zh": "事件提前{by:duration}"},
    "change.later": {"en": "the event {by:duration} later", "zh": "事件推迟{by:duration}"},
    # ---- after the belief
    "line.changed": {
        "en": "{kind:said} {name:text}: {before:said} becomes {after:said}",
        "zh": "{kind:said}{name:text}：{before:said}改为{after:said}",
    },
    "line.kept": {
        "en": "{kind:said} {name:text}: stays {after:said}",
        "zh": "{kind:said}{name:text}：维持{after:said}",
    },
    "line.changed_why": {
        "en": "{kind:said} {name:text}: {before:said} becomes {after:said} ({reason:said})",
        "zh": "{kind:said}{name:text}：{before:said}改为{after:said}（{reason:said}）",
    },
    "line.kept_why": {
        "en": "{kind:said} {name:text}: stays {after:said} ({reason:said})",
        "zh": "{kind:said}{name:text}：维持{after:said}（{reason:said}）",
    },
    "kind.floor": {"en": "floor", "zh": "下限"},
    "kind.ceiling": {"en": "ceiling", "zh": "上限"},
    "kind.adjustment": {"en": "adjustment", "zh": "调整"},
    "kind.hysteresis": {"en": "hysteresis", "zh": "迟滞"},
    "kind.capacity": {"en": "capacity", "zh": "审核容量"},
    "kind.test": {"en": "test", "zh": "核验"},
    "kind.other": {"en": "step", "zh": "步骤"},
    # ---- headings
    "title": {"en": "Why: event {id:text}", "zh": "决策说明：事件{id:text}"},
    "title.no_id": {"en": "Why", "zh": "决策说明"},
    "head.contributions": {"en": "What moved the decision", "zh": "影响决策的因素"},
    "head.economics": {"en": "What each action was expected to bring", "zh": "各处置方式的预期损益"},
    "head.tests": {"en": "Questions worth asking", "zh": "值得追加的核验"},
    "head.lines": {"en": "Floors, ceilings and adjustments", "zh": "下限、上限与调整"},
    "head.near": {"en": "What almost fired", "zh": "险些命中"},
    "head.counter": {"en": "What would have changed it", "zh": "改变结果的最小变动"},
    "head.codes": {"en": "Reason codes", "zh": "原因代码"},
    "head.policy": {"en": "policy {name:text}, version {version:text}", "zh": "策略{name:text}，版本{version:text}"},
    "sum.log_odds": {
        "en": "log-odds {prior:signed} before, {posterior:signed} after: {p:percent}",
        "zh": "对数几率由{prior:signed}变为{posterior:signed}，即{p:percent}",
    },
    "sum.shared": {
        "en": "more than twelve pieces of evidence: amounts are means over two orders",
        "zh": "证据超过十二项：各项数值为两种顺序的平均",
    },
    "part": {"en": "{name:said} {amount:value}", "zh": "{name:said}{amount:value}"},
    "closed": {"en": "not allowed here", "zh": "此处不允许"},
    "chosen": {"en": "chosen", "zh": "采用"},
    "none": {"en": "none", "zh": "无"},
    "test": {
        "en": "{name:text}: worth {value:value}, costs {cost:value}",
        "zh": "{name:text}：价值{value:value}，成本{cost:value}",
    },
    "more": {"en": "and {n:count} smaller {n?one|ones}", "zh": "另有{n:count}项影响较小"},
    # ---- parts of what an action brings
    "part.loss": {"en": "fraud loss", "zh": "欺诈损失"},
    "part.margin": {"en": "margin", "zh": "毛利"},
    "part.review": {"en": "review", "zh": "审核成本"},
    "part.friction": {"en": "friction", "zh": "验证流失"},
    "part.insult": {"en": "insult", "zh": "误伤成本"},
    "part.recovery": {"en": "recovery", "zh": "追回"},
    "part.delay": {"en": "delay", "zh": "延误成本"},
    "part.handling": {"en": "handling", "zh": "处理成本"},
    "part.fee": {"en": "fee", "zh": "验证费用"},
    "part.capacity": {"en": "reviewers' time", "zh": "审核资源占用"},
    "part.dropoff": {"en": "drop-off", "zh": "放弃交易"},
    "part.other": {"en": "{name:text}", "zh": "{name:text}"},
    # ---- features in words
    "word.count": {
        "en": "number of {events:said} by this {entity:said} in {window:duration}",
        "zh": "该{entity:said}{window:duration}内{events:said}次数",
    },
    "word.sum": {
        "en": "sum of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}合计",
    },
    "word.mean": {
        "en": "mean of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}均值",
    },
    "word.std": {
        "en": "spread of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}标准差",
    },
    "word.min": {
        "en": "least {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内最小{value:said}",
    },
    "word.max": {
        "en": "greatest {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内最大{value:said}",
    },
    "word.median": {
        "en": "median of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}中位数",
    },
    "word.quantile": {
        "en": "{share:percent} quantile of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}的{share:percent}分位数",
    },
    "word.distinct": {
        "en": "different values of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内不同{value:said}数",
    },
    "word.is_new": {
        "en": "{value:said} not seen in {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内首次出现的{value:said}",
    },
    "word.first_seen": {"en": "first time this {entity:said} was seen", "zh": "该{entity:said}首次出现时间"},
    "word.last": {"en": "{value:said} before, for this {entity:said}", "zh": "该{entity:said}上一次的{value:said}"},
    "word.time_since": {"en": "seconds since this {entity:said} was last seen", "zh": "距该{entity:said}上次出现的秒数"},
    "word.rate": {
        "en": "share of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}比例",
    },
    "word.ratio": {
        "en": "{value:said} over {window:duration} against {long:duration} for this {entity:said}",
        "zh": "该{entity:said}{value:said}{window:duration}与{long:duration}之比",
    },
    "word.entropy": {
        "en": "variety of {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内{value:said}的分散程度",
    },
    "word.mode": {
        "en": "most frequent {value:said} over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内最常见的{value:said}",
    },
    "word.decayed_count": {
        "en": "fading number of {events:said} by this {entity:said} (half-life {window:duration})",
        "zh": "该{entity:said}{events:said}的衰减次数（半衰期{window:duration}）",
    },
    "word.decayed_sum": {
        "en": "fading sum of {value:said} for this {entity:said} (half-life {window:duration})",
        "zh": "该{entity:said}{value:said}的衰减合计（半衰期{window:duration}）",
    },
    "word.rank": {
        "en": "rank of {value:said} among those of {window:duration} for this {entity:said}",
        "zh": "{value:said}在该{entity:said}{window:duration}内的排位",
    },
    "word.zscore": {
        "en": "standard deviations of {value:said} from the mean of {window:duration} for this {entity:said}",
        "zh": "{value:said}偏离该{entity:said}{window:duration}均值的标准差数",
    },
    "word.distance_from_last": {
        "en": "distance from the last {value:said} of this {entity:said}",
        "zh": "距该{entity:said}上一次{value:said}的距离",
    },
    "word.speed_kmh": {
        "en": "speed since the last {value:said} of this {entity:said}",
        "zh": "该{entity:said}自上一次{value:said}以来的移动速度",
    },
    "word.distance_from_usual": {
        "en": "distance from the usual {value:said} of this {entity:said}",
        "zh": "距该{entity:said}常用{value:said}的距离",
    },
    "word.distinct_places": {
        "en": "different places ({value:said}) over {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内不同地点（{value:said}）数",
    },
    "word.hour_habit": {"en": "how usual this hour is for this {entity:said}", "zh": "该{entity:said}在此时段活动的常见程度"},
    "word.aggregate": {
        "en": "{name:text} for this {entity:said}",
        "zh": "该{entity:said}的{name:text}",
    },
    "word.where": {"en": "{inner:said}, where {condition:said}", "zh": "{inner:said}（条件：{condition:said}）"},
    "word.before": {"en": "{inner:said}, before this event", "zh": "{inner:said}（不含本次）"},
    "word.delay": {"en": "{inner:said}, as of {delay:duration} ago", "zh": "{inner:said}（截至{delay:duration}前）"},
    "word.as_role": {"en": "{entity:said} as {role:said}", "zh": "{entity:said}作为{role:said}"},
    # ---- features with their values, as they stand in a sentence
    "value.count": {
        "en": "{n:count} {events:said} by this {entity:said} in {window:duration}",
        "zh": "该{entity:said}{window:duration}内{n:count}次{events:said}",
    },
    "value.sum": {
        "en": "{n:value} in all in {window:duration} for this {entity:said} ({value:said})",
        "zh": "该{entity:said}{window:duration}内{value:said}合计{n:value}",
    },
    "value.distinct": {
        "en": "{n:count} different {n?value|values} of {value:said} in {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内出现{n:count}个不同{value:said}",
    },
    "value.is_new": {
        "en": "{value:said} not seen in {window:duration} for this {entity:said}",
        "zh": "该{entity:said}{window:duration}内首次出现的{value:said}",
    },
    "value.is_known": {
        "en": "{value:said} known for this {entity:said}",
        "zh": "该{entity:said}已知的{value:said}",
    },
    "value.where": {"en": "{inner:said}, where {condition:said}", "zh": "{inner:said}（条件：{condition:said}）"},
    # ---- conditions and arithmetic in words
    "expr.lt": {"en": "{a:said} below {b:said}", "zh": "{a:said}小于{b:said}"},
    "expr.le": {"en": "{a:said} at most {b:said}", "zh": "{a:said}不超过{b:said}"},
    "expr.gt": {"en": "{a:said} above {b:said}", "zh": "{a:said}大于{b:said}"},
    "expr.ge": {"en": "{a:said} at least {b:said}", "zh": "{a:said}不低于{b:said}"},
    "expr.eq": {"en": "{a:said} is {b:said}", "zh": "{a:said}为{b:said}"},
    "expr.ne": {"en": "{a:said} is not {b:said}", "zh": "{a:said}不为{b:said}"},
    "expr.is_null": {"en": "{a:said} unknown", "zh": "{a:said}未知"},
    "expr.is_known": {"en": "{a:said} known", "zh": "{a:said}已知"},
    "expr.in": {"en": "{a:said} one of {b:list}", "zh": "{a:said}属于{b:list}"},
    "expr.not_in": {"en": "{a:said} none of {b:list}", "zh": "{a:said}不属于{b:list}"},
    "expr.in_list": {"en": "{a:said} on the list {b:said}", "zh": "{a:said}在名单{b:said}中"},
    "expr.not_in_list": {"en": "{a:said} not on the list {b:said}", "zh": "{a:said}不在名单{b:said}中"},
    "expr.and": {"en": "{a:said} and {b:said}", "zh": "{a:said}且{b:said}"},
    "expr.or": {"en": "{a:said} or {b:said}", "zh": "{a:said}或{b:said}"},
    "expr.not": {"en": "not ({a:said})", "zh": "非（{a:said}）"},
    "expr.add": {"en": "{a:said} + {b:said}", "zh": "{a:said}+{b:said}"},
    "expr.sub": {"en": "{a:said} - {b:said}", "zh": "{a:said}-{b:said}"},
    "expr.mul": {"en": "{a:said} × {b:said}", "zh": "{a:said}×{b:said}"},
    "expr.div": {"en": "{a:said} / {b:said}", "zh": "{a:said}÷{b:said}"},
    "expr.since": {"en": "time since: {b:said}", "zh": "距{b:said}的时间"},
    "expr.group": {"en": "({a:said})", "zh": "（{a:said}）"},
    "expr.neg": {"en": "-{a:said}", "zh": "-{a:said}"},
    "expr.call": {"en": "{name:text}({args:list})", "zh": "{name:text}({args:list})"},
    "expr.if": {
        "en": "{then:said} if {condition:said}, else {otherwise:said}",
        "zh": "若{condition:said}则{then:said}，否则{otherwise:said}",
    },
    "expr.hour": {"en": "hour of day", "zh": "时刻（小时）"},
    "expr.attribute": {"en": "{name:text} of the {entity:said}", "zh": "{entity:said}的{name:text}"},
    # ---- names that policies often use; a label in the policy comes first
    "known.customer": {"en": "customer", "zh": "客户"},
    "known.customer_id": {"en": "customer", "zh": "客户"},
    "known.account": {"en": "account", "zh": "账户"},
    "known.card": {"en": "card", "zh": "卡"},
    "known.device": {"en": "device", "zh": "设备"},
    "known.device_id": {"en": "device", "zh": "设备"},
    "known.merchant": {"en": "merchant", "zh": "商户"},
    "known.merchant_id": {"en": "merchant", "zh": "商户"},
    "known.terminal": {"en": "terminal", "zh": "终端"},
    "known.payee": {"en": "payee", "zh": "收款方"},
    "known.payer": {"en": "payer", "zh": "付款方"},
    "known.ip": {"en": "IP address", "zh": "IP 地址"},
    "known.ip_address": {"en": "IP address", "zh": "IP 地址"},
    "known.amount": {"en": "amount", "zh": "金额"},
    "known.country": {"en": "country", "zh": "国家"},
    "known.currency": {"en": "currency", "zh": "币种"},
    "known.channel": {"en": "channel", "zh": "渠道"},
    "known.category": {"en": "category", "zh": "类别"},
    "known.place": {"en": "place", "zh": "地点"},
    "known.event_time": {"en": "time of the event", "zh": "事件时间"},
    "known.event_type": {"en": "kind of event", "zh": "事件类型"},
    "known.fraud": {"en": "fraud", "zh": "欺诈"},
    "known.night": {"en": "at night", "zh": "夜间"},
    "known.abroad": {"en": "abroad", "zh": "境外"},
    "events.any": {"en": "events", "zh": "事件"},
    "events.payment": {"en": "payments", "zh": "支付"},
    "events.transfer": {"en": "transfers", "zh": "转账"},
    "events.login": {"en": "logins", "zh": "登录"},
    "events.application": {"en": "applications", "zh": "申请"},
    "events.claim": {"en": "claims", "zh": "理赔"},
    "events.named": {"en": "{name:text} events", "zh": "{name:text}事件"},
}  # fmt: skip
