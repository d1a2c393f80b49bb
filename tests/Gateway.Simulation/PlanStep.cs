namespace Gateway.Simulation;

/// <summary>The things that happen to a node. Each has a weight: how often a plan holds it, in thousandths.</summary>
public enum PlanStepKind
{
    Turn,
    Deliver,
    Receive,
    Commit,
    CommitSome,
    CompleteRead,
    PassTime,
    Send,
    Resend,
    Connect,
    HangUp,
    LoseState,
    GiveUp,
    Credit,
    StopReading,
    StartReading,
    StopAcknowledging,
    StartAcknowledging,
    FillLog,
    FillReceipts,
    FillRemovals,
    WithholdSequences,
    FreeLog,
    LongTime,
    StepWall,
    Kick,
    Crash,
}

/// <summary>One step of a plan. The operands are raw: whoever takes the step folds them to what there is.</summary>
public readonly record struct PlanStep(PlanStepKind Kind, int A, int B)
{
    private static readonly (PlanStepKind Kind, int Weight)[] Weights =
    [
        (PlanStepKind.Turn, 220), (PlanStepKind.Deliver, 200), (PlanStepKind.Receive, 160), (PlanStepKind.Commit, 30), (PlanStepKind.CommitSome, 40),
        (PlanStepKind.CompleteRead, 60), (PlanStepKind.PassTime, 20), (PlanStepKind.Send, 140), (PlanStepKind.Resend, 30), (PlanStepKind.Connect, 20),
        (PlanStepKind.HangUp, 8), (PlanStepKind.LoseState, 2), (PlanStepKind.GiveUp, 4), (PlanStepKind.Credit, 8), (PlanStepKind.StopReading, 4),
        (PlanStepKind.StartReading, 8), (PlanStepKind.StopAcknowledging, 4), (PlanStepKind.StartAcknowledging, 8), (PlanStepKind.FillLog, 3),
        (PlanStepKind.FillReceipts, 3), (PlanStepKind.FillRemovals, 3), (PlanStepKind.WithholdSequences, 2), (PlanStepKind.FreeLog, 12),
        (PlanStepKind.LongTime, 2), (PlanStepKind.StepWall, 1), (PlanStepKind.Kick, 2), (PlanStepKind.Crash, 2),
    ];

    /// <summary>A plan of <paramref name="count"/> steps that the seed alone decides.</summary>
    public static IReadOnlyList<PlanStep> Draw(int seed, int count)
    {
        var random = new Random(seed);
        var total = Weights.Sum(w => w.Weight);
        var steps = new PlanStep[count];
        for (var i = 0; i < count; i++)
        {
            var at = random.Next(total);
            var kind = 0;
            while (at >= Weights[kind].Weight) at -= Weights[kind++].Weight;
            steps[i] = new PlanStep(Weights[kind].Kind, random.Next(), random.Next());
        }

        return steps;
    }
}
