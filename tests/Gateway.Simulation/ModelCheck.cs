using System.Globalization;
using System.Text;

namespace Gateway.Simulation;

/// <summary>Draws a plan from a seed, takes a node through it, and makes a broken promise small enough to read.</summary>
public static class ModelCheck
{
    private const int StepsPerPlan = 600;
    private const int ShrinkRuns = 400;

    /// <summary>Null when every promise held; otherwise the seed, what was broken, and the shortest plan found that breaks something.</summary>
    public static string? Run(int seed)
    {
        var plan = PlanStep.Draw(seed, StepsPerPlan);
        if (Break(seed, plan, out _) is not { } broken) return null;

        var (steps, what) = Shrink(seed, plan, broken);
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"Seed {seed}: {broken}");
        text.AppendLine(CultureInfo.InvariantCulture, $"Shortened from {plan.Count} to {steps.Count} steps: {what}");
        foreach (var step in steps) text.AppendLine(CultureInfo.InvariantCulture, $"  {step}");
        Break(seed, steps, out var run);
        foreach (var line in run.Describe()) text.AppendLine(line);
        return text.ToString();
    }

    /// <summary>What a plan breaks, or null.</summary>
    public static string? Break(int seed, IReadOnlyList<PlanStep> plan, out ModelRun run)
    {
        run = new ModelRun(seed);
        try
        {
            run.Execute(plan);
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return exception is PromiseBrokenException ? exception.Message : exception.ToString();
        }
    }

    /// <summary>Leaves out ever smaller pieces as long as something still breaks (Zeller's ddmin, bounded).</summary>
    private static (IReadOnlyList<PlanStep> Plan, string Broken) Shrink(int seed, IReadOnlyList<PlanStep> plan, string broken)
    {
        var runs = 0;
        for (var piece = plan.Count / 2; piece >= 1; piece /= 2)
        {
            for (var at = 0; at < plan.Count && runs < ShrinkRuns;)
            {
                runs++;
                var shorter = plan.Take(at).Concat(plan.Skip(at + piece)).ToList();
                if (Break(seed, shorter, out _) is { } stillBroken)
                {
                    plan = shorter;
                    broken = stillBroken;
                }
                else
                {
                    at += piece;
                }
            }
        }

        return (plan, broken);
    }
}
