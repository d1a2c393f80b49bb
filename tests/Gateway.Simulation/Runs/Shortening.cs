using System.Globalization;
using System.Text;

namespace Gateway.Simulation;

/// <summary>Makes a broken promise small enough to read: leaves out faults, and ends the load earlier, as long as anything still breaks.</summary>
public static class Shortening
{
    private const int MaxRuns = 400;
    private const int LinesShown = 120;

    /// <summary>The seed, what was broken, the faults it took, and the end of the shortest history found.</summary>
    public static string Explain(RunPlan plan, string broken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var (shortest, what) = Shorten(plan, broken);
        var verdict = Verdict.Of(shortest, keepsWords: true);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Seed {plan.Seed}: {broken}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Shortened from {plan.Faults.Count} to {shortest.Faults.Count} faults and {shortest.LoadMicros / 1000} of {plan.LoadMicros / 1000} ms of load: {what}");
        text.AppendLine(CultureInfo.InvariantCulture, $"  {plan.Node.Homes} homes, {plan.Devices.Count} devices, {plan.Node.ReplySlots} reply slots, {plan.Node.Home}");
        foreach (var fault in shortest.Faults) text.AppendLine(CultureInfo.InvariantCulture, $"  {fault}");
        var lines = verdict.Run.History.Lines;
        text.AppendLine(CultureInfo.InvariantCulture, $"The last of {lines.Count} lines:");
        foreach (var line in lines.TakeLast(LinesShown)) text.AppendLine(line);
        return text.ToString();
    }

    /// <summary>Leaves out ever smaller pieces as long as something still breaks (Zeller's ddmin, bounded).</summary>
    public static (RunPlan Plan, string Broken) Shorten(RunPlan plan, string broken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var runs = 0;
        for (var piece = plan.Faults.Count; piece >= 1; piece /= 2)
        {
            for (var at = 0; at < plan.Faults.Count && runs < MaxRuns;)
            {
                if (!Try(plan with { Faults = [.. plan.Faults.Take(at), .. plan.Faults.Skip(at + piece)] })) at += piece;
            }
        }

        for (var cut = plan.LoadMicros / 2; cut > 1_000 && runs < MaxRuns;)
        {
            if (!Try(plan with { LoadMicros = plan.LoadMicros - cut })) cut /= 2;
            cut = Math.Min(cut, plan.LoadMicros / 2);
        }

        return (plan, broken);

        bool Try(RunPlan shorter)
        {
            runs++;
            if (Verdict.Of(shorter).Broken is not { } stillBroken) return false;
            (plan, broken) = (shorter, stillBroken);
            return true;
        }
    }
}
