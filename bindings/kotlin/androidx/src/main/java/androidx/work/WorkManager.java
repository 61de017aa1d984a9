package androidx.work;

import android.content.Context;

public abstract class WorkManager {
    /** What {@link #getInstance} returns. Null: the app has not initialized it. The tests set it. */
    public static WorkManager known;

    public static WorkManager getInstance(Context context) {
        if (known == null) {
            throw new IllegalStateException("WorkManager is not initialized properly");
        }
        return known;
    }

    public abstract Operation enqueueUniqueWork(
            String uniqueWorkName, ExistingWorkPolicy existingWorkPolicy, OneTimeWorkRequest work);

    public abstract Operation enqueueUniquePeriodicWork(
            String uniqueWorkName,
            ExistingPeriodicWorkPolicy existingPeriodicWorkPolicy,
            PeriodicWorkRequest periodicWork);

    public abstract Operation cancelUniqueWork(String uniqueWorkName);
}
